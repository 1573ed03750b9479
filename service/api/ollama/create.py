"""POST /api/create"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.ollama.fields import CREATE
from service.api.ollama.model_schema import CreateRequest, Progress
from service.api.ollama.named import model_named
from service.api.ollama.progress import progress_reply
from service.api.ollama.pull import SUCCESS, export_job, fetched
from service.api.openai.decoder import RequestDecoder
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, exports_of, store_of
from service.errors import RequestError
from service.modelfile.parameters import parameters_from
from service.modelfile.templates import check_template
from service.store.names import ModelName
from service.store.overrides import Overrides
from service.store.packages import Store

_DECODER = RequestDecoder(CreateRequest, CREATE)
_RENAMED = {"num_ctx": "parameters.num_ctx"}


@post("/api/create", status_code=200)
async def create(request: HttpRequest) -> ASGIApp:
    """What can be refused at once is; a base that is not there is pulled first."""
    body = await read_json_body(request.scope, request.receive, allows_curl=True)
    wire = _DECODER.decode(body)
    target = model_named(wire)
    _check_name(target)
    if wire.from_ is None:
        raise RequestError(
            "Missing required parameter: 'from'.", param="from", code="missing_parameter"
        )
    with params_renamed({"model": "from"}):
        job = export_job(request, wire.from_)
    overrides = await asyncio.to_thread(_overrides, wire)
    store, exports = store_of(request), exports_of(request)

    async def work() -> AsyncGenerator[Progress, None]:
        async with aclosing(fetched(store, exports, job)) as steps:
            async for step in steps:
                yield step
        await asyncio.to_thread(_made, store, target, job.source, overrides)
        yield SUCCESS

    return progress_reply(work(), streams=wire.stream is not False)


def _made(store: Store, target: str, base: str, overrides: Overrides) -> None:
    # Imported here: only what changes a store needs its locks.
    from service.store.changes import create_model  # noqa: PLC0415

    with params_renamed(_RENAMED):
        create_model(store, target, base, overrides)


def _check_name(target: str) -> None:
    try:
        ModelName.parse(target)
    except ValueError as error:
        raise RequestError(
            f"{target[:200]!r} cannot name a model: {error}.", param="model"
        ) from None


def _overrides(wire: CreateRequest) -> Overrides:
    """Raises UnsupportedParameter and RequestError for what cannot be honoured."""
    if wire.template:
        try:
            check_template(wire.template)
        except ValueError as error:
            raise RequestError(f"The template cannot be used: {error}.", param="template") from None
    licenses = [wire.license] if isinstance(wire.license, str) else wire.license or []
    return Overrides(
        parameters=parameters_from(wire.parameters or {}, param="parameters"),
        system=wire.system or None,
        template=wire.template or None,
        messages=tuple(wire.messages or ()),
        licenses=tuple(filter(None, licenses)),
    )
