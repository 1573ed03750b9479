"""Streams of models that take long to load: pings meanwhile, so that the connection stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.connection import disconnected
from service.api.error_mapping import as_retort_error
from service.api.streamed import EVENT_STREAM, PING_INTERVAL_S, start_stream
from service.errors import RetortError


@dataclass(frozen=True, slots=True)
class StreamDialect:
    """What a stream says that has nothing to say yet, and that a reply will never come."""

    ping: bytes
    failure: Callable[[RetortError], bytes]
    media_type: str = EVENT_STREAM


async def in_time(
    preparing: Coroutine[None, None, ASGIApp], dialect: StreamDialect | None
) -> ASGIApp:
    """The reply that is being prepared, or a stream that begins without it if it is not there by
    the time of a first ping. `dialect` is None where no stream was asked for.

    So a load that is quick, as most are, leaves every refusal its own status; later ones are told
    in the stream.
    """
    if dialect is None:
        return await preparing
    task = asyncio.create_task(preparing)
    try:
        await asyncio.wait([task], timeout=PING_INTERVAL_S)
    except asyncio.CancelledError:
        task.cancel()
        raise
    return task.result() if task.done() else LateStream(task, dialect)


class LateStream:
    """Pings until the reply is there, then is that reply."""

    def __init__(self, preparing: asyncio.Task[ASGIApp], dialect: StreamDialect) -> None:
        self._preparing = preparing
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._ready(receive, send)
            if reply is not None:
                await reply(scope, receive, _without_start(send))
        finally:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)

    async def _ready(self, receive: Receive, send: Send) -> ASGIApp | None:
        """None if the client has gone, or has been told why there will be no reply."""
        await start_stream(send, self._dialect.media_type)
        gone = asyncio.create_task(disconnected(receive))
        try:
            while not self._preparing.done():
                await _write(send, self._dialect.ping, is_last=False)
                await asyncio.wait(
                    (self._preparing, gone),
                    timeout=PING_INTERVAL_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if gone.done():
                    return None
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        try:
            return self._preparing.result()
        except Exception as error:  # noqa: BLE001  the status is sent, so any error is an event
            await _write(send, self._dialect.failure(as_retort_error(error)), is_last=True)
            return None


def _without_start(send: Send) -> Send:
    async def send_rest(message: Message) -> None:
        if message["type"] != "http.response.start":
            await send(message)

    return send_rest


async def _write(send: Send, data: bytes, *, is_last: bool) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": not is_last})
