"""Which shared libraries a library asks for, read from its file (System V ABI, chapter 5)."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5
_MAGIC = b"\x7fELF\x02\x01"
"""64 bits, little-endian: all that ONNX Runtime is built for on Linux."""


def needed_libraries(path: Path) -> list[str]:
    """The names under the library's DT_NEEDED entries; none if it is no such file."""
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with content:
            if content[: len(_MAGIC)] != _MAGIC:
                return []
            return _needed(content)


def _needed(content: mmap.mmap) -> list[str]:
    segments = _segments(content)
    entries = [entry for segment in segments for entry in _dynamic(content, segment)]
    tables = [value for tag, value in entries if tag == _DT_STRTAB]
    if not tables:
        return []
    start = _offset(segments, tables[0])
    names = []
    for tag, value in entries:
        if tag == _DT_NEEDED:
            first = start + value
            names.append(content[first : content.find(b"\0", first)].decode())
    return names


def _segments(content: mmap.mmap) -> list[tuple[int, int, int, int]]:
    """(type, offset, virtual address, size in the file) of each program header."""
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    headers = (struct.unpack_from("<IIQQQQ", content, table + i * size) for i in range(count))
    return [(kind, offset, address, length) for kind, _, offset, address, _, length in headers]


def _dynamic(content: mmap.mmap, segment: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    kind, offset, _, length = segment
    if kind != _PT_DYNAMIC:
        return []
    entries = [struct.unpack_from("<qQ", content, at) for at in range(offset, offset + length, 16)]
    return [(tag, value) for tag, value in entries if tag != _DT_NULL]


def _offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    """Where in the file `address` is, once it is loaded."""
    for kind, offset, start, length in segments:
        if kind == _PT_LOAD and start <= address < start + length:
            return offset + address - start
    return address
