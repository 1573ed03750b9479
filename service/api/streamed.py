"""A reply as server-sent events, written token by token as an ASGI application of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from litestar.types import Receive, Scope, Send

from service.api.connection import disconnected
from service.api.error_mapping import as_retort_error
from service.api.exchange import exchange_of
from service.api.facade import Delta, Generation
from service.errors import RetortError

PING_INTERVAL_S = 15.0

COMMENT: Final = b": ping\n\n"
"""What keeps a silent connection open; clients skip it, whatever the dialect."""

EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


class EventWriter(Protocol):
    """Writes the events of one reply in one dialect; each method gives bytes, often several
    events, b"" for none."""

    def opening(self) -> bytes:
        """Before anything has been generated."""
        ...

    def delta(self, index: int, delta: Delta) -> bytes:
        """The next piece of the choice `index`; its last one has a finish reason."""
        ...

    def closing(self) -> bytes:
        """After the last piece of the last choice."""
        ...

    def failure(self, error: RetortError) -> bytes:
        """In place of all that would have come."""
        ...


class Outbox:
    """Bytes on their way to a client. What gathers while one write lasts leaves in the next.

    It holds no more than one answer, so it needs no bound of its own.
    """

    def __init__(self, ping: bytes) -> None:
        self._ping = ping
        self._parts: list[bytes] = []
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, data: bytes) -> None:
        if data:
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
            return self._ping, False
        self._changed.clear()
        data = b"".join(self._parts)
        self._parts.clear()
        return data, self._is_closed


class StreamedReply:
    """Writes the deltas of generations as they come; aborts them once the client has gone.

    One task follows each generation and one the client, while this one writes.
    """

    def __init__(
        self,
        generations: Sequence[Generation],
        writer: EventWriter,
        *,
        ping: bytes = COMMENT,
        media_type: str = EVENT_STREAM,
    ) -> None:
        self._generations = generations
        self._writer = writer
        self._ping = ping
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange_of(scope).generations = self._generations
        outbox = Outbox(self._ping)
        helpers = (
            asyncio.create_task(self._produce(outbox)),
            asyncio.create_task(_close_when_gone(receive, outbox)),
        )
        try:
            await start_stream(send, self._media_type)
            await _write(outbox, send)
        finally:
            for generation in self._generations:
                generation.abort()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _produce(self, outbox: Outbox) -> None:
        try:
            outbox.put(self._writer.opening())
            await self._follow_all(outbox)
            outbox.put(self._writer.closing())
        except Exception as error:  # noqa: BLE001  the status is sent, so any error is an event
            outbox.put(self._writer.failure(as_retort_error(first_of(error))))
        outbox.close()

    async def _follow_all(self, outbox: Outbox) -> None:
        if len(self._generations) == 1:
            await self._follow(0, self._generations[0], outbox)
            return
        async with asyncio.TaskGroup() as tasks:
            for index, generation in enumerate(self._generations):
                tasks.create_task(self._follow(index, generation, outbox))

    async def _follow(self, index: int, generation: Generation, outbox: Outbox) -> None:
        async for delta in generation:
            outbox.put(self._writer.delta(index, delta))


def first_of(error: Exception) -> Exception:
    """What a task group failed with first, or `error` itself."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def start_stream(send: Send, media_type: str) -> None:
    headers = (
        (b"content-type", media_type.encode()),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _write(outbox: Outbox, send: Send) -> None:
    is_last = False
    while not is_last:
        data, is_last = await outbox.take()
        await send({"type": "http.response.body", "body": data, "more_body": not is_last})


async def _close_when_gone(receive: Receive, outbox: Outbox) -> None:
    await disconnected(receive)
    outbox.close()
