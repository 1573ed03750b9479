"""The memory of this machine: what there is to have, and giving back what is not needed."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MEM_AVAILABLE: Final = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_INACTIVE_FILE: Final = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)
_UNLIMITED: Final = 1 << 60
"""What version 1 of control groups writes for no limit is near 2^63."""


_M_ARENA_MAX: Final = -8
"""The option's number in glibc's malloc.h."""

_NUM_HEAPS: Final = 2


def available_bytes(root: Path = Path("/")) -> int | None:
    """What this process could take now without driving others out; None where nobody tells.

    On Linux no more than its control groups leave it, which is what a container is limited by.
    `root` is where `proc` and `sys` are.
    """
    if sys.platform == "win32":
        return _available_on_windows()
    if sys.platform == "linux":
        found = [*_available_of_machine(root), *_left_in_groups(root)]
        return min(found, default=None)
    return _total_bytes()


def share_heaps() -> None:
    """Has glibc keep few heaps. By default every thread has one of its own, and what a load leaves
    scattered over all of them is memory that no unloading gives back. Before threads start."""
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(_M_ARENA_MAX, _NUM_HEAPS)


def give_back_memory() -> None:
    """Frees what is in circles of references, and returns freed memory to the system.

    glibc keeps freed memory for itself wherever something that is still in use lies above it.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _available_of_machine(root: Path) -> Iterator[int]:
    found = _MEM_AVAILABLE.search(_text(root / "proc/meminfo"))
    if found is not None:
        yield 1024 * int(found[1])


def _left_in_groups(root: Path) -> Iterator[int]:
    """What each control group that has a limit leaves, from the process's own up to the root.

    In a container the paths are often those of the machine, of which only the root is to be seen.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounted, limit, usage = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            mounted, limit = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            usage = "memory.usage_in_bytes"
        else:
            continue
        group = mounted / path.lstrip("/")
        while group.is_relative_to(mounted):
            yield from _left_in_group(group, limit, usage)
            group = group.parent


def _left_in_group(group: Path, limit: str, usage: str) -> Iterator[int]:
    most, used = _text(group / limit).strip(), _text(group / usage).strip()
    if most.isdigit() and used.isdigit() and int(most) < _UNLIMITED:
        reclaimable = _INACTIVE_FILE.search(_text(group / "memory.stat"))
        cached = 0 if reclaimable is None else int(reclaimable[1])
        yield max(0, int(most) - int(used) + cached)


def _text(path: Path) -> str:
    """What a file of the kernel holds, "" if there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _total_bytes() -> int | None:
    """All there is: elsewhere the system has no simple way to tell what is free."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


if sys.platform == "win32":

    class _MemoryStatus(ctypes.Structure):
        """MEMORYSTATUSEX of Windows."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong),
            ("total_page_file", ctypes.c_ulonglong),
            ("available_page_file", ctypes.c_ulonglong),
            ("total_virtual", ctypes.c_ulonglong),
            ("available_virtual", ctypes.c_ulonglong),
            ("available_extended_virtual", ctypes.c_ulonglong),
        )

    def _available_on_windows() -> int | None:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return int(status.available)
