"""POST /api/copy and DELETE /api/delete; POST /api/push, which there is not"""

from __future__ import annotations

import asyncio

from litestar import Response, delete, post
from litestar.types import ASGIApp

from service.api.awaited import AwaitedReply
from service.api.body import read_json_body
from service.api.facade import Pool
from service.api.ollama.fields import COPY, DELETE
from service.api.ollama.model_schema import CopyRequest, DeleteRequest
from service.api.ollama.named import model_named
from service.api.openai.decoder import RequestDecoder
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, pool_of, store_of
from service.errors import NotSupported, PackageCorrupt
from service.store.packages import Store

_COPY = RequestDecoder(CopyRequest, COPY)
_DELETE = RequestDecoder(DeleteRequest, DELETE)


@post("/api/copy", status_code=200)
async def copy(request: HttpRequest) -> Response[bytes]:
    # Imported here: only what changes a store needs its locks.
    from service.store.changes import copy_model  # noqa: PLC0415

    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = _COPY.decode(body)
    pool_of(request).find(wire.source)
    with params_renamed({"model": "destination"}):
        await asyncio.to_thread(copy_model, store_of(request), wire.source, wire.destination)
    pool_of(request).drop_stale_names()
    return Response(b"", media_type="application/json")


@delete("/api/delete", status_code=200)
async def delete_model(request: HttpRequest) -> ASGIApp:
    """Waits for what the model is generating, if it loses its last name."""
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    name = model_named(_DELETE.decode(body))
    return AwaitedReply(_deleted(pool_of(request), store_of(request), name))


@post("/api/push", status_code=200)
async def push() -> None:
    raise NotSupported("Models cannot be pushed: there is no registry of packages.")


async def _deleted(pool: Pool, store: Store, name: str) -> bytes:
    # Imported here: only what changes a store needs its locks.
    from service.store.changes import remove_model  # noqa: PLC0415

    if await asyncio.to_thread(_is_last_name, store, name):
        await pool.unload(name)
    await asyncio.to_thread(remove_model, store, name)
    pool.drop_stale_names()
    return b""


def _is_last_name(store: Store, name: str) -> bool:
    """Whether no other model shares what is loaded of this one. Raises ModelNotFound."""
    try:
        digest = store.find(name).digest
    except PackageCorrupt:
        return False
    return sum(package.digest == digest for package in store.packages()) == 1
