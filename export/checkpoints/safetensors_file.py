"""One safetensors file: a JSON header that says where each tensor lies, then their bytes.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, JsonValue, Tensor
from export.checkpoints.json_file import is_count, one_line, parse_json_object
from export.checkpoints.mapped_file import MappedFile
from export.errors import ExportError

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
_MAX_DIMS = 8
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}
_READ: Mapping[str, tuple[Encoding, str]] = {
    "F32": (Encoding.F32, "<f4"),
    "F16": (Encoding.F16, "<f2"),
    "BF16": (Encoding.BF16, "<u2"),
}
_RAW: Mapping[str, str] = {
    "I8": "<i1",
    "I32": "<i4",
    "I64": "<i8",
    **dict.fromkeys(("U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), "<u1"),
}
_BYTES_PER_VALUE: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """`start` and `end` are bytes from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class SafetensorsFile:
    """An opened file whose every tensor is known to lie inside it, none over another."""

    def __init__(self, path: Path) -> None:
        """Raises ExportError for a file that is damaged or contradicts itself."""
        self._file = MappedFile(path)
        self._entries = _read_entries(self._file)

    def names(self) -> frozenset[str]:
        return frozenset(self._entries)

    def dtype(self, name: str) -> str:
        """What the file calls the type of the tensor, which has to be there."""
        return self._entries[name].dtype

    def raw(self, name: str) -> NDArray[np.generic]:
        """The integers of the tensor, or its 8-bit floats as uint8, mapped; it has to be there.

        Raises ExportError for any other dtype.
        """
        entry = self._entries[name]
        if entry.dtype not in _RAW:
            raise self._unsupported(name, entry.dtype, _RAW)
        return self._file.array(entry.start, _RAW[entry.dtype], entry.shape)

    def tensor(self, name: str) -> Tensor:
        """The tensor, mapped; it has to be there. Raises ExportError for an integer dtype."""
        entry = self._entries[name]
        if entry.dtype not in _READ:
            raise self._unsupported(name, entry.dtype, _READ)
        encoding, dtype = _READ[entry.dtype]
        return Tensor(
            name, encoding, entry.shape, self._file.array(entry.start, dtype, entry.shape)
        )

    def _unsupported(self, name: str, dtype: str, supported: Iterable[str]) -> ExportError:
        return ExportError(
            f"{self._file.path}: tensor {one_line(name)!r} is stored as {dtype}, which is not "
            f"supported; supported: {', '.join(supported)}"
        )


def _read_entries(file: MappedFile) -> dict[str, _Entry]:
    path = file.path
    if file.size < _LENGTH_BYTES:
        raise ExportError(f"{path}: too short to be a safetensors file")
    header_length = int.from_bytes(file.view[:_LENGTH_BYTES], "little")
    data_start = _LENGTH_BYTES + header_length
    if header_length > min(file.size - _LENGTH_BYTES, _MAX_HEADER_BYTES):
        raise ExportError(
            f"{path}: a header of {header_length} bytes is declared in a file of {file.size}: "
            "the file is cut off or not safetensors"
        )
    header = parse_json_object(bytes(file.view[_LENGTH_BYTES:data_start]), f"{path}: header")
    header.pop("__metadata__", None)
    entries = {name: _read_entry(path, name, value, data_start) for name, value in header.items()}
    _check_layout(file, entries, data_start)
    return entries


def _read_entry(path: Path, name: str, value: JsonValue, data_start: int) -> _Entry:
    where = f"{path}: tensor {one_line(name)!r}"
    if not name or not name.isprintable():
        raise ExportError(f"{where}: a name of printable characters is expected")
    if not isinstance(value, dict) or set(value) != _ENTRY_KEYS:
        raise ExportError(f"{where}: dtype, shape and data_offsets are expected")
    dtype = value["dtype"]
    if not isinstance(dtype, str) or dtype not in _BYTES_PER_VALUE:
        raise ExportError(f"{where}: the dtype {one_line(str(dtype))!r} is not known")
    shape = _read_counts(value["shape"])
    offsets = _read_counts(value["data_offsets"])
    if shape is None or len(shape) > _MAX_DIMS:
        raise ExportError(f"{where}: the shape is not a short list of whole numbers")
    if offsets is None or len(offsets) != 2:
        raise ExportError(f"{where}: data_offsets are not two whole numbers")
    start, end = offsets
    if end - start != math.prod(shape) * _BYTES_PER_VALUE[dtype]:
        raise ExportError(f"{where}: its shape and the {end - start} bytes it has do not agree")
    return _Entry(dtype, shape, data_start + start, data_start + end)


def _read_counts(value: JsonValue) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    counts = tuple(item for item in value if isinstance(item, int) and is_count(item))
    return counts if len(counts) == len(value) else None


def _check_layout(file: MappedFile, entries: Mapping[str, _Entry], data_start: int) -> None:
    """The data section has to be tiled exactly, as the format demands: no hole, no overlap."""
    position = data_start
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        where = f"{file.path}: tensor {one_line(name)!r}"
        if entry.end > file.size:
            raise ExportError(f"{where}: it ends beyond the end of the file: the file is cut off")
        if entry.start != position:
            fault = "lies over another" if entry.start < position else "follows a hole"
            raise ExportError(f"{where}: it {fault}")
        position = entry.end
    if position != file.size:
        raise ExportError(f"{file.path}: {file.size - position} bytes belong to no tensor")
