"""Replies that tell how far a long piece of work is, line by line or by its end alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from service.api.awaited import AwaitedReply
from service.api.connection import disconnected
from service.api.error_mapping import as_retort_error
from service.api.ollama.lines import MEDIA_TYPE, PING, failure_line, line
from service.api.ollama.model_schema import Progress
from service.api.streamed import PING_INTERVAL_S, start_stream


def progress_reply(work: AsyncGenerator[Progress, None], *, streams: bool) -> ASGIApp:
    """`work` is done while it is iterated over, and given up once the client has gone."""
    return ProgressStream(work) if streams else AwaitedReply(_last(work))


class ProgressStream:
    """Writes a line for each step. Errors are the last line."""

    def __init__(self, work: AsyncGenerator[Progress, None]) -> None:
        self._work = work

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(disconnected(receive))
        try:
            await start_stream(send, MEDIA_TYPE)
            async with aclosing(self._work) as work:
                await _write_all(work, gone, send)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


async def _write_all(
    work: AsyncGenerator[Progress, None], gone: asyncio.Task[None], send: Send
) -> None:
    """Returns at the end, or once the client has gone."""
    while True:
        step = asyncio.create_task(anext(work, None))
        try:
            if not await _waited(step, gone, send):
                return
        finally:
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
        data, is_last = _told(step)
        await send({"type": "http.response.body", "body": data, "more_body": not is_last})
        if is_last:
            return


async def _waited(
    step: asyncio.Task[Progress | None], gone: asyncio.Task[None], send: Send
) -> bool:
    """Whether the step came before the client went; pings meanwhile."""
    while not step.done():
        await asyncio.wait(
            (step, gone), timeout=PING_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED
        )
        if gone.done():
            return False
        if not step.done():
            await send({"type": "http.response.body", "body": PING, "more_body": True})
    return True


def _told(step: asyncio.Task[Progress | None]) -> tuple[bytes, bool]:
    """The line of a step, and whether it is the last."""
    try:
        progress = step.result()
    except Exception as error:  # noqa: BLE001  the status is sent, so any error is a line
        return failure_line(as_retort_error(error)), True
    return (b"", True) if progress is None else (line(progress), False)


async def _last(work: AsyncGenerator[Progress, None]) -> bytes:
    last = Progress("success")
    async with aclosing(work) as steps:
        async for step in steps:
            last = step
    return msgspec.json.encode(last)
