"""A reply in one piece: the fold of the same deltas that a stream would carry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import msgspec
from litestar.types import Receive, Scope, Send

from service.api.connection import disconnected
from service.api.facade import Generation
from service.api.openai.common_schema import Usage
from service.api.openai.reply import usage_of
from service.engine.request import FinishReason

MakeReply: TypeAlias = Callable[[str, FinishReason, Usage], msgspec.Struct]


class WholeReply:
    """Waits for a generation's end and writes it; aborts it once the client has gone.

    Errors of the generation pass to Litestar, which still can give them a status.
    """

    def __init__(self, generation: Generation, make_reply: MakeReply) -> None:
        self._generation = generation
        self._make_reply = make_reply

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        answer = asyncio.create_task(self._fold())
        gone = asyncio.create_task(disconnected(receive))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                await _write_json(send, answer.result())
        finally:
            self._generation.abort()
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)

    async def _fold(self) -> bytes:
        texts = []
        finish_reason: FinishReason | None = None
        async for delta in self._generation:
            texts.append(delta.text)
            finish_reason = delta.finish_reason
        assert finish_reason is not None
        reply = self._make_reply("".join(texts), finish_reason, usage_of(self._generation))
        return msgspec.json.encode(reply)


async def _write_json(send: Send, body: bytes) -> None:
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
