"""Memory in huge pages, where the system hands them out to who asks.

A decode step reads all weights once, faster than the processor finds out where pages of 4 KiB lie:
in pages of 2 MiB the default model decodes a fifteenth faster. ONNX Runtime allocates by itself and
does not ask, so what it has allocated is asked for afterwards (madvise(2): MADV_HUGEPAGE, and
MADV_COLLAPSE since Linux 6.1, which moves what is there at once).
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

HUGE_PAGE_BYTES: Final = 2 << 20

_SPINNING_S: Final = 0.05
"""Moving pages waits until each processor has been free for a moment, and ONNX Runtime's threads
spin for a while after a load: without this rest the move takes 0.2 s instead of 0.03."""

_MADV_HUGEPAGE: Final = 14
_MADV_COLLAPSE: Final = 25
_SETTING: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_MAPPINGS: Final = Path("/proc/self/maps")

Span: TypeAlias = tuple[int, int]
"""Addresses from the first to behind the last."""


@contextmanager
def in_huge_pages() -> Iterator[None]:
    """What the block allocates, and no earlier memory, is moved into huge pages at its end.

    Nothing happens where there are none, or the system's owner has turned them off.
    """
    if not _are_available():
        yield
        return
    before = _anonymous_memory()
    yield
    time.sleep(_SPINNING_S)
    for span in without(_anonymous_memory(), before):
        _move(whole_pages(span))


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """What is in `spans` and not in `taken`; both ascend, and neither overlaps itself."""
    left: list[Span] = []
    for start, end in spans:
        for first, behind in taken:
            if first >= end or behind <= start:
                continue
            if first > start:
                left.append((start, first))
            start = behind
        if start < end:
            left.append((start, end))
    return left


def whole_pages(span: Span) -> Span:
    """The huge pages that lie in `span` whole; its end is not behind its start if none does."""
    start, end = span
    return -(-start // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES, end // HUGE_PAGE_BYTES * HUGE_PAGE_BYTES


def _are_available() -> bool:
    if sys.platform != "linux":
        return False
    try:
        return "[never]" not in _SETTING.read_text()
    except OSError:
        return False


def _anonymous_memory() -> list[Span]:
    """Private memory of no file, that may be written."""
    spans: list[Span] = []
    for line in _MAPPINGS.read_text().splitlines():
        addresses, permissions, _, _, inode, *path = line.split(maxsplit=5)
        if permissions == "rw-p" and inode == "0" and path in ([], ["[heap]"]):
            start, end = addresses.split("-")
            spans.append((int(start, 16), int(end, 16)))
    return spans


def _move(span: Span) -> None:
    """Advice: a system that cannot follow it leaves the memory as it is."""
    start, end = span
    if start >= end:
        return
    madvise = ctypes.CDLL(None).madvise
    for advice in (_MADV_HUGEPAGE, _MADV_COLLAPSE):
        madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)
