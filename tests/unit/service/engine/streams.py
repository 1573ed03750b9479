"""Reading token streams to their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from service.engine.async_engine import AsyncEngine, TokenStream
from service.engine.engine import Engine
from service.engine.request import FinishReason
from service.engine.runner import Runner


@asynccontextmanager
async def running_engine(runner: Runner, *, max_queue: int = 8) -> AsyncIterator[AsyncEngine]:
    """An engine that must not hang: what it runs is over in ten seconds or fails."""
    engine = AsyncEngine(Engine(runner), asyncio.get_running_loop(), max_queue=max_queue)
    try:
        with anyio.fail_after(10):
            yield engine
    finally:
        await engine.close()


async def read(stream: TokenStream) -> tuple[list[int], FinishReason | None]:
    token_ids: list[int] = []
    finish_reason: FinishReason | None = None
    async for tokens in stream:
        assert tokens.token_ids
        token_ids += tokens.token_ids
        finish_reason = tokens.finish_reason
    return token_ids, finish_reason
