"""The web application: which routes there are, and what lives as long as it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar

from service.api.access import Access
from service.api.anthropic.endpoint import count_message_tokens, create_message
from service.api.error_mapping import error_response
from service.api.facade import Pool
from service.api.gate import Gate
from service.api.http_metrics import HttpMetrics
from service.api.ollama.blobs import find_blob, upload_blob
from service.api.ollama.chat import chat
from service.api.ollama.create import create
from service.api.ollama.embed import embed, embed_prompt
from service.api.ollama.generate import generate
from service.api.ollama.models import list_running, list_tags, show_model, tell_version
from service.api.ollama.pull import pull
from service.api.ollama.stored import copy, delete_model, push
from service.api.openai.chat import create_chat_completion
from service.api.openai.completions import create_completion
from service.api.openai.embeddings import create_embedding
from service.api.openai.models import list_models, retrieve_model
from service.api.openai.rerank import rerank
from service.api.openai.responses.endpoint import count_response_input_tokens, create_response
from service.api.openai.responses.store import ResponseStore
from service.api.openai.responses.stored import (
    delete_response,
    list_input_items,
    retrieve_response,
)
from service.api.openai.tokenization import count_input_tokens, detokenize, tokenize
from service.api.openapi.endpoint import describe_api
from service.api.operations import greet, report_health, report_metrics
from service.api.request_log import RequestLog
from service.api.state import (
    hold_exports,
    hold_http_metrics,
    hold_pool,
    hold_responses,
    hold_settings,
    hold_startup_failure,
)
from service.exporting import Exports
from service.settings import Settings

_ROUTES = [
    create_chat_completion,
    create_completion,
    create_embedding,
    rerank,
    tokenize,
    detokenize,
    count_input_tokens,
    create_response,
    count_response_input_tokens,
    retrieve_response,
    delete_response,
    list_input_items,
    create_message,
    count_message_tokens,
    list_models,
    retrieve_model,
    generate,
    chat,
    embed,
    embed_prompt,
    list_tags,
    list_running,
    tell_version,
    show_model,
    create,
    copy,
    delete_model,
    pull,
    push,
    find_blob,
    upload_blob,
    greet,
    report_health,
    report_metrics,
    describe_api,
]


def create_app(settings: Settings, open_pool: Callable[[Settings], Pool]) -> Litestar:
    """The application of `settings`; the pool is opened when it starts and closed when it ends."""

    exports = Exports(settings.models_folder)

    @asynccontextmanager
    async def pool_lifespan(app: Litestar) -> AsyncIterator[None]:
        try:
            pool = open_pool(settings)
            pool.preload()
        except Exception as error:
            hold_startup_failure(app, error)
            raise
        hold_pool(app, pool)
        try:
            yield
        finally:
            await exports.close()
            await pool.close()

    app = Litestar(
        _ROUTES,
        exception_handlers={Exception: error_response},
        lifespan=[pool_lifespan],
        debug=False,
        pdb_on_exception=False,
        logging_config=None,
        openapi_config=None,
    )
    hold_settings(app, settings)
    hold_responses(app, ResponseStore())
    hold_exports(app, exports)
    metrics = HttpMetrics()
    hold_http_metrics(app, metrics)
    app.asgi_handler = Gate(
        app.asgi_handler, Access.of(settings), metrics, RequestLog(settings.log_prompts)
    )
    return app
