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
from service.api.ollama.uploaded import made_of_upload, uploaded_gguf
from service.api.openai.decoder import RequestDecoder
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, exports_of, pool_of, store_of
from service.errors import RequestError
from service.modelfile.parameters import parameters_from
from service.modelfile.templates import check_template
from service.store.names import ModelName
from service.store.overrides import Overrides
from service.store.packages import AnyPackage, Store

_DECODER = RequestDecoder(CreateRequest, CREATE)
_RENAMED = {"num_ctx": "parameters.num_ctx"}


@post("/api/create", status_code=200)
async def create(request: HttpRequest) -> ASGIApp:
    """What can be refused at once is; a base that is not there is pulled first, and an
    uploaded file exported."""
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = _DECODER.decode(body)
    target = model_named(wire)
    _check_name(target)
    steps = await (_of_files if wire.files else _of_model)(request, wire, target)

    async def work() -> AsyncGenerator[Progress, None]:
        async with aclosing(steps):
            async for step in steps:
                yield step
        pool_of(request).drop_stale_names()
        yield SUCCESS

    return progress_reply(work(), streams=wire.stream is not False)


async def _of_model(
    request: HttpRequest, wire: CreateRequest, target: str
) -> AsyncGenerator[Progress, None]:
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

    return work()


async def _of_files(
    request: HttpRequest, wire: CreateRequest, target: str
) -> AsyncGenerator[Progress, None]:
    if wire.from_ is not None:
        raise RequestError("A model is made of 'from' or of 'files', not of both.", param="files")
    store, exports = store_of(request), exports_of(request)
    digest = await asyncio.to_thread(uploaded_gguf, store, wire.files or {})
    overrides = await asyncio.to_thread(_overrides, wire)
    device = pool_of(request).health().device

    def make(package: AnyPackage) -> None:
        _adopted(store, target, package, overrides)

    return made_of_upload(store, exports, digest, device, make)


def _made(store: Store, target: str, base: str, overrides: Overrides) -> None:
    # Imported here: only what changes a store needs its locks.
    from service.store.changes import create_model  # noqa: PLC0415

    with params_renamed(_RENAMED):
        create_model(store, target, base, overrides)


def _adopted(store: Store, target: str, package: AnyPackage, overrides: Overrides) -> None:
    # Imported here: only what changes a store needs its locks.
    from service.store.changes import adopt_package  # noqa: PLC0415

    with params_renamed(_RENAMED):
        adopt_package(store, target, package, overrides)


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
