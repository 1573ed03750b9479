"""Contexts whose beginning and end wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def in_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """`context`, entered and left in threads; it does not see what it is left with."""
    stack = ExitStack()
    entering = asyncio.create_task(asyncio.to_thread(stack.enter_context, context))
    try:
        yield await asyncio.shield(entering)
    finally:
        # A thread cannot be cancelled: what it still enters would never be left.
        await asyncio.wait([entering])
        await asyncio.to_thread(stack.close)
