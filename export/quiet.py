"""What native code tells standard error of its failures, kept from who is told of them anyway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def native_silence() -> Iterator[None]:
    """Leads file descriptor 2 nowhere: Rust reports a panic there before it becomes an error."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # closed by who started this process: nothing is told to anyone
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)
