from __future__ import annotations

import ctypes
import mmap
import re
import sys
from pathlib import Path

import pytest

from service.runtime.huge_pages import HUGE_PAGE_BYTES, in_huge_pages, whole_pages, without

_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.parametrize(
    ("spans", "taken", "left"),
    [
        ([(0, 10)], [], [(0, 10)]),
        ([(0, 10)], [(0, 10)], []),
        ([(0, 10)], [(2, 4)], [(0, 2), (4, 10)]),
        ([(0, 10)], [(2, 4), (6, 12)], [(0, 2), (4, 6)]),
        ([(5, 10), (20, 30)], [(0, 7), (25, 26)], [(7, 10), (20, 25), (26, 30)]),
        ([(5, 10)], [(0, 5), (10, 12)], [(5, 10)]),
        ([(5, 10)], [(0, 20)], []),
    ],
)
def test_what_was_there_before_is_left_out(
    spans: list[tuple[int, int]], taken: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert without(spans, taken) == left


def test_only_whole_pages_are_moved() -> None:
    page = HUGE_PAGE_BYTES
    assert whole_pages((1, 3 * page + 5)) == (page, 3 * page)
    assert whole_pages((page, 2 * page)) == (page, 2 * page)
    start, end = whole_pages((page + 1, 2 * page - 1))
    assert start >= end


def _can_collapse() -> bool:
    if sys.platform != "linux" or not _SETTING.exists() or "[never]" in _SETTING.read_text():
        return False
    release = re.match(r"(\d+)\.(\d+)", Path("/proc/sys/kernel/osrelease").read_text())
    return release is not None and tuple(map(int, release.groups())) >= (6, 1)


def _mapping(memory: mmap.mmap) -> dict[str, str]:
    """What smaps says of the mapping that the middle of `memory` lies in."""
    middle = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + len(memory) // 2
    found: dict[str, str] = {}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if addresses := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(addresses[1], 16) <= middle < int(addresses[2], 16)
        elif inside:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return found


@pytest.mark.skipif(not _can_collapse(), reason="the system moves no memory into huge pages")
def test_what_is_allocated_meanwhile_lies_in_huge_pages() -> None:
    size = 8 * HUGE_PAGE_BYTES
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    earlier = mmap.mmap(-1, size, flags=flags)
    earlier.write(b"1" * size)
    with in_huge_pages():
        later = mmap.mmap(-1, size, flags=flags)
        later.write(b"2" * size)
    asked, left = _mapping(later), _mapping(earlier)
    # The system may be short of huge pages: some have moved.
    assert int(asked["AnonHugePages"].removesuffix(" kB")) >= 2 * HUGE_PAGE_BYTES // 1024
    assert "hg" in asked["VmFlags"].split()
    assert "hg" not in left["VmFlags"].split()
    assert later[:] == b"2" * size
    assert earlier[:] == b"1" * size


def test_an_error_goes_on_its_way() -> None:
    with pytest.raises(ZeroDivisionError), in_huge_pages():
        raise ZeroDivisionError
