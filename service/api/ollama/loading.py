"""Requests that ask for nothing but that a model be loaded or unloaded."""

from __future__ import annotations

import msgspec
from litestar.types import ASGIApp

from service.api.awaited import AwaitedReply
from service.api.keep_alive import KeepAlive, keep_alive_s
from service.api.ollama.answers import DoneReason
from service.api.ollama.reply import MakeAnswer, Part, without_text
from service.api.state import HttpRequest, pool_of
from service.store.overrides import Overrides


async def load_or_unload(
    request: HttpRequest, name: str, keep_alive: KeepAlive | None, overrides: Overrides
) -> DoneReason:
    """Unloads the model for a `keep_alive` of no time. Raises as the pool does."""
    seconds = keep_alive_s(keep_alive)
    if seconds == 0:
        await pool_of(request).unload(name)
        return "unload"
    await pool_of(request).load(name, seconds, overrides)
    return "load"


def empty_reply(
    request: HttpRequest,
    name: str,
    keep_alive: KeepAlive | None,
    overrides: Overrides,
    make: MakeAnswer,
) -> ASGIApp:
    """One object, for streams too, once that is done."""

    async def body() -> bytes:
        reason = await load_or_unload(request, name, keep_alive, overrides)
        return msgspec.json.encode(without_text(make(name, Part()), reason))

    return AwaitedReply(body())
