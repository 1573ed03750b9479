"""GET /api/tags, /api/ps and /api/version, POST /api/show"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Final

from litestar import get, post

from service.api.body import read_json_body
from service.api.ollama.described import details_of, entry_of, full_name, shown
from service.api.ollama.fields import SHOW
from service.api.ollama.model_schema import (
    ModelEntries,
    RunningModel,
    RunningModels,
    ShownModel,
    ShowRequest,
    Version,
)
from service.api.ollama.named import model_named
from service.api.openai.decoder import RequestDecoder
from service.api.state import HttpRequest, pool_of
from service.errors import RetortError
from service.health import ModelHealth

API_VERSION: Final = "0.13.3"
"""Clients ask it before they use what older versions lack."""

_FOREVER = timedelta(days=365 * 292)
"""How Ollama writes the end of what stays loaded."""

_SHOW = RequestDecoder(ShowRequest, SHOW)


@get("/api/version", sync_to_thread=False)
def tell_version() -> Version:
    return Version(API_VERSION, metadata.version("retort"))


@get("/api/tags", sync_to_thread=True)
def list_tags(request: HttpRequest) -> ModelEntries:
    """The latest first, as Ollama has them."""
    entries = [entry_of(package) for package in pool_of(request).installed()]
    return ModelEntries(sorted(entries, key=lambda entry: entry.modified_at, reverse=True))


@get("/api/ps", sync_to_thread=False)
def list_running(request: HttpRequest) -> RunningModels:
    """Each under every name that it is used by, and still stands for it: others may have changed
    the store."""
    pool = pool_of(request)
    pool.drop_stale_names()
    running = []
    for model in pool.health().models:
        for name in model.names:
            entry = _running(request, name, model)
            running += [] if entry is None else [entry]
    return RunningModels(running)


@post("/api/show", status_code=200)
async def show_model(request: HttpRequest) -> ShownModel:
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    package = pool_of(request).find(model_named(_SHOW.decode(body)))
    return shown(package)


def _running(request: HttpRequest, name: str, model: ModelHealth) -> RunningModel | None:
    """None for a name that has gone meanwhile."""
    try:
        package = pool_of(request).find(name)
    except RetortError:
        return None
    shown_name = full_name(package.name)
    return RunningModel(
        name=shown_name,
        model=shown_name,
        size=model.size,
        digest=package.id,
        details=details_of(package),
        expires_at=model.expires_at or datetime.now(UTC) + _FOREVER,
        size_vram=model.size_vram,
        context_length=model.context_length,
    )
