"""Processes that are stopped except while they are measured.

llama.cpp's threads spin while they wait, and ONNX Runtime's do for a moment after a run: two
engines awake at once would take the cores from each other. POSIX only.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SETTLE_S = 0.2
"""For the caches and clocks of the machine to forget who ran before."""


class Paused:
    """A process that has been stopped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Lets it run for the time of the block, beginning after a moment of silence."""
        time.sleep(_SETTLE_S)
        os.kill(self._pid, signal.SIGCONT)
        try:
            yield
        finally:
            # It may have died, of which whoever started it will say more.
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGSTOP)


@contextmanager
def paused(pid: int) -> Iterator[Paused]:
    """Stops a child of this process; at the end it runs again, so that it can be ended."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield Paused(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
