"""A reply as server-sent events, written token by token as an ASGI application of its own."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from litestar.types import Receive, Scope, Send

from service.api.connection import disconnected
from service.api.error_mapping import as_retort_error, error_body
from service.api.facade import Delta, Generation
from service.api.openai.reply import Frames, usage_of

PING_INTERVAL_S = 15.0

_PING: Final = b": ping\n\n"
_DONE: Final = b"data: [DONE]\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class Outbox:
    """Bytes on their way to a client. What gathers while one write lasts leaves in the next.

    It holds no more than one answer, so it needs no bound of its own.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, data: bytes) -> None:
        self._parts.append(data)
        self._changed.set()

    def close(self) -> None:
        self._is_closed = True
        self._changed.set()

    async def take(self) -> tuple[bytes, bool]:
        """All that is there, or a ping if nothing comes for long, and whether it was the last."""
        try:
            async with asyncio.timeout(PING_INTERVAL_S):
                await self._changed.wait()
        except TimeoutError:
            return _PING, False
        self._changed.clear()
        data = b"".join(self._parts)
        self._parts.clear()
        return data, self._is_closed


class StreamedReply:
    """Writes a generation's deltas as they come; aborts it once the client has gone.

    One task follows the generation and one the client, while this one writes.
    """

    def __init__(self, generation: Generation, frames: Frames) -> None:
        self._generation = generation
        self._frames = frames

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        outbox = Outbox()
        helpers = (
            asyncio.create_task(self._produce(outbox)),
            asyncio.create_task(_close_when_gone(receive, outbox)),
        )
        try:
            await _write(outbox, send)
        finally:
            self._generation.abort()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _produce(self, outbox: Outbox) -> None:
        try:
            outbox.put(self._frames.opening)
            async for delta in self._generation:
                outbox.put(self._frame(delta))
            if self._frames.usage is not None:
                outbox.put(self._frames.usage(usage_of(self._generation)))
        except Exception as error:  # noqa: BLE001  the status is sent, so any error is an event
            outbox.put(b"data: " + error_body(as_retort_error(error)) + b"\n\n")
        outbox.put(_DONE)
        outbox.close()

    def _frame(self, delta: Delta) -> bytes:
        frames, frame = self._frames, b""
        if delta.text:
            frame = frames.before_text + msgspec.json.encode(delta.text) + frames.after_text
        if delta.finish_reason is not None:
            frame += frames.finish(delta.finish_reason)
        return frame


async def _write(outbox: Outbox, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    is_last = False
    while not is_last:
        data, is_last = await outbox.take()
        await send({"type": "http.response.body", "body": data, "more_body": not is_last})


async def _close_when_gone(receive: Receive, outbox: Outbox) -> None:
    await disconnected(receive)
    outbox.close()
