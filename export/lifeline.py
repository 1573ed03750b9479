"""Ending with the program that wanted the export."""

from __future__ import annotations

import os
import signal
import threading

_CHUNK_BYTES = 4096


def end_with(descriptor: int) -> None:
    """Has this process terminated, by way of its clean-up, once there is no more to read."""
    threading.Thread(target=_end_with, args=(descriptor,), daemon=True).start()


def _end_with(descriptor: int) -> None:
    # Not through `sys.stdin`, whose lock a daemon thread would hold while Python shuts down.
    while os.read(descriptor, _CHUNK_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
