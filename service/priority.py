"""Threads that give way to the engine's."""

from __future__ import annotations

import os
import sys
import threading

_NICENESS = 8


def give_way() -> None:
    """Lowers the priority of the thread that calls, where the system knows priorities of threads
    (Linux: each thread has a niceness of its own, see sched(7))."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
