"""A reply that is computed as a whole, unless the client goes first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from litestar.types import Receive, Scope, Send

from service.api.connection import disconnected


class AwaitedReply:
    """Awaits the reply's body and writes it; cancels it once the client has gone.

    Errors pass to Litestar, which still can give them a status.
    """

    def __init__(self, body: Coroutine[None, None, bytes]) -> None:
        self._body = body

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        answer = asyncio.create_task(self._body)
        gone = asyncio.create_task(disconnected(receive))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                await write_json(send, answer.result())
        finally:
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


async def write_json(send: Send, body: bytes) -> None:
    """A whole response with the status 200."""
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
