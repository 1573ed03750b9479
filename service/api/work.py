"""Work that could hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

ResultT = TypeVar("ResultT")
Aside: TypeAlias = Callable[[Callable[[], ResultT]], Awaitable[ResultT]]

MAX_BYTES_ON_LOOP = 2 * 1024
"""One to three milliseconds of tokenizing, less than what a stream's client notices."""


async def off_loop_if_large(num_bytes: int, work: Callable[[], ResultT]) -> ResultT:
    """The result of `work`, done in a thread if `num_bytes` say that it takes its time."""
    if num_bytes <= MAX_BYTES_ON_LOOP:
        return work()
    return await asyncio.to_thread(work)


async def aside_if_large(
    num_bytes: int, work: Callable[[], ResultT], aside: Aside[ResultT]
) -> ResultT:
    """The same for work in Python that nobody's stream should have to share its time with: such
    goes to `aside`, which is a model's."""
    return work() if num_bytes <= MAX_BYTES_ON_LOOP else await aside(work)
