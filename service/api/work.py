"""Work that could hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

MAX_BYTES_ON_LOOP = 2 * 1024
"""One to three milliseconds of tokenizing, less than what a stream's client notices."""


async def off_loop_if_large(num_bytes: int, work: Callable[[], ResultT]) -> ResultT:
    """The result of `work`, done in a thread if `num_bytes` say that it takes its time."""
    if num_bytes <= MAX_BYTES_ON_LOOP:
        return work()
    return await asyncio.to_thread(work)
