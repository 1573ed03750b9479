"""POST /api/pull"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.ollama.fields import PULL
from service.api.ollama.model_schema import Progress, PullRequest
from service.api.ollama.named import model_named
from service.api.ollama.progress import progress_reply
from service.api.openai.decoder import RequestDecoder
from service.api.state import HttpRequest, exports_of, pool_of, store_of
from service.errors import ModelNotFound, PackageCorrupt, RequestError
from service.exporting import ExportJob, Exports, Step
from service.store.integrity import check_sizes
from service.store.names import ModelName
from service.store.packages import Store

_DECODER = RequestDecoder(PullRequest, PULL)

SUCCESS = Progress("success")


@post("/api/pull", status_code=200)
async def pull(request: HttpRequest) -> ASGIApp:
    """Exports the model, unless it is there. A client that goes ends the export."""
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = _DECODER.decode(body)
    job = export_job(request, model_named(wire))

    async def work() -> AsyncGenerator[Progress, None]:
        async with aclosing(fetched(store_of(request), exports_of(request), job)) as steps:
            async for step in steps:
                yield step
        pool_of(request).drop_stale_names()
        yield SUCCESS

    return progress_reply(work(), streams=wire.stream is not False)


def export_job(request: HttpRequest, source: str) -> ExportJob:
    """For the device that models run on here. Raises RequestError for what is no name."""
    try:
        name = ModelName.parse(source)
    except ValueError as error:
        raise RequestError(f"{source[:200]!r} names no model: {error}.", param="model") from None
    return ExportJob(source, name.without_hub, pool_of(request).health().device)


async def fetched(store: Store, exports: Exports, job: ExportJob) -> AsyncGenerator[Progress, None]:
    """What is told until the model is there. Raises as `Exports.follow` does."""
    yield Progress("pulling manifest")
    if await asyncio.to_thread(_is_there, store, job.source):
        return
    async with aclosing(exports.follow(job)) as steps:
        async for step in steps:
            yield told(step)
    yield Progress("writing manifest")


def _is_there(store: Store, name: str) -> bool:
    """A package that lacks something is not."""
    try:
        check_sizes(store.find(name))
    except (ModelNotFound, PackageCorrupt):
        return False
    return True


def told(step: Step) -> Progress:
    """How far an export is, as Ollama's clients show it."""
    if step.unit != "B" or step.total is None:
        return Progress(step.step)
    return Progress(step.step, total=step.total, completed=step.done)
