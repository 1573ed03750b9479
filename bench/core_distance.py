"""How far two cores are from each other, and waiting until they are near.

A virtual machine's processors may be cores of one cache at one moment and of two at the next, as
its host moves them. A word then takes six times as long from one to the other, and what is computed
on both at once takes longer by a quarter, or by more where the work changes hands often: figures of
another machine.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_ubyte
from multiprocessing.context import SpawnContext
from typing import Final

_BATCHES: Final = 20
_WAYS_OF_BATCH: Final = 100
_CACHE_LINE: Final = 64

_FAR: Final = 1.8
"""Times the shortest way so far. Much of a way is Python's own work: 0.2 to 0.5 µs were seen within
a cache and 0.7 between two."""

_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.5


class CoreDistance:
    """Waits by what `way_s` says: the seconds of a message's way there and back."""

    def __init__(self, way_s: Callable[[], float]) -> None:
        self._way_s = way_s
        self.shortest_s = float("inf")
        """The shortest way so far."""

    def wait_until_near(self, patience_s: float = _PATIENCE_S) -> bool:
        """Whether the cores came as near within `patience_s` as they have been; says so if not."""
        until = time.monotonic() + patience_s
        while not self._is_near():
            if time.monotonic() >= until:
                print("measuring while the cores are far from each other", file=sys.stderr)
                return False
            time.sleep(_PAUSE_S)
        return True

    def _is_near(self) -> bool:
        way_s = self._way_s()
        self.shortest_s = min(self.shortest_s, way_s)
        return way_s <= _FAR * self.shortest_s


@contextmanager
def core_distance() -> Iterator[CoreDistance]:
    """Between this process's first and last processor; always near where processes cannot be held
    on one. It takes both for about 2 ms each time.
    """
    processors = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if len(processors) < 2:
        yield CoreDistance(lambda: 0.0)
        return
    context = multiprocessing.get_context("spawn")
    wire = _Wire(context)
    echo = context.Process(target=_echo, args=(wire, processors[-1]), daemon=True)
    echo.start()
    try:
        yield CoreDistance(lambda: _way_s(wire, processors[0]))
    finally:
        echo.kill()
        echo.join()


class _Wire:
    """Two words of shared memory, each in a cache line of its own, and a call to listen."""

    def __init__(self, context: SpawnContext) -> None:
        self._there = context.RawArray(c_ubyte, _CACHE_LINE)
        self._back = context.RawArray(c_ubyte, _CACHE_LINE)
        self.called = context.Semaphore(0)

    def words(self) -> tuple[memoryview, memoryview]:
        """There and back, of unsigned bytes."""
        return memoryview(self._there).cast("B"), memoryview(self._back).cast("B")


def _way_s(wire: _Wire, processor: int) -> float:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        wire.called.release()
        there, back = wire.words()
        return min(_batch_s(there, back) for _ in range(_BATCHES)) / _WAYS_OF_BATCH
    finally:
        os.sched_setaffinity(0, allowed)


def _batch_s(there: memoryview, back: memoryview) -> float:
    started_s = time.perf_counter()
    for word in _words(_WAYS_OF_BATCH):
        there[0] = word
        while back[0] != word:
            pass
    return time.perf_counter() - started_s


def _echo(wire: _Wire, processor: int) -> None:
    os.sched_setaffinity(0, {processor})
    there, back = wire.words()
    while wire.called.acquire():
        for word in _words(_BATCHES * _WAYS_OF_BATCH):
            while there[0] != word:
                pass
            back[0] = word


def _words(count: int) -> Iterator[int]:
    """Each another than the one before it; an even number ends as all began, at 0."""
    return (1 - number % 2 for number in range(count))
