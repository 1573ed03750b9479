"""The key-value pairs at the head of a GGUF file, read with their types checked.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.gguf.cursor import Cursor
from export.checkpoints.json_file import one_line
from export.errors import ExportError

MetadataValue: TypeAlias = bool | int | float | str | list[str] | NDArray[np.generic]

_LARGEST = float(np.finfo(np.float32).max)
_STRING = 8
_ARRAY = 9
_BOOL = 7
_NUMBERS: Mapping[int, str] = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    _BOOL: "<u1",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
_MIN_PAIR_BYTES = 8 + 4 + 1
_MAX_KEY_BYTES = 65535


class Metadata:
    """Metadata whose values are checked where they are read.

    Every method raises ExportError naming the file and the key; those without a default do so
    for a missing key too.
    """

    def __init__(self, path: Path, values: Mapping[str, MetadataValue]) -> None:
        self.path = path
        self._values = values

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_list(self, key: str) -> bool:
        """Whether there is such a key and its value is a list."""
        return isinstance(self._values.get(key), list | np.ndarray)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "is not a string")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "is not true or false")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number of at least 0."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(key, "is not one whole number of at least 0")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A number that 32 bits can hold."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, "is not a number")
        if not abs(value) <= _LARGEST:
            raise self.error(key, "is not finite in 32 bits")
        return float(value)

    def texts(self, key: str) -> list[str]:
        value = self._get(key, None)
        if not isinstance(value, list):
            raise self.error(key, "is not a list of strings")
        return value

    def numbers(self, key: str, length: int) -> NDArray[np.generic]:
        """An array of `length` numbers."""
        value = self._get(key, None)
        if not isinstance(value, np.ndarray) or len(value) != length:
            raise self.error(key, f"is not a list of {length} numbers")
        return value

    def error(self, key: str, problem: str) -> ExportError:
        return ExportError(f"{self.path}: the metadata {one_line(key)!r} {problem}")

    def _get(self, key: str, default: MetadataValue | None) -> MetadataValue:
        value = self._values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        return value


def read_metadata(cursor: Cursor, path: Path, num_pairs: int) -> Metadata:
    """`num_pairs` pairs from `cursor`. Raises ExportError where they are malformed."""
    values: dict[str, MetadataValue] = {}
    for _ in range(num_pairs):
        key = cursor.string()
        if len(key) > _MAX_KEY_BYTES:
            raise cursor.error(f"a metadata key of {len(key)} characters is too long")
        if key in values:
            raise cursor.error(f"the metadata {one_line(key)!r} is there twice")
        values[key] = _read_value(cursor, cursor.u32())
    return Metadata(path, values)


def read_pair_count(cursor: Cursor) -> int:
    """The declared number of pairs, refused where the file cannot hold them."""
    return cursor.count("metadata entries", _MIN_PAIR_BYTES)


def _read_value(cursor: Cursor, kind: int) -> MetadataValue:
    if kind == _STRING:
        return cursor.string()
    if kind == _ARRAY:
        return _read_array(cursor)
    if kind == _BOOL:
        return bool(cursor.numbers(_NUMBERS[_BOOL], 1)[0])
    value = cursor.numbers(_number_type(cursor, kind), 1).tolist()[0]
    assert isinstance(value, int | float)
    return value


def _read_array(cursor: Cursor) -> MetadataValue:
    kind = cursor.u32()
    if kind == _STRING:
        return cursor.strings(cursor.count("strings", 8))
    if kind == _ARRAY:
        raise cursor.error("it holds a list of lists, which no known metadata needs")
    dtype = _number_type(cursor, kind)
    return cursor.numbers(dtype, cursor.count("numbers", np.dtype(dtype).itemsize))


def _number_type(cursor: Cursor, kind: int) -> str:
    dtype = _NUMBERS.get(kind)
    if dtype is None:
        raise cursor.error(f"{kind} is not a known type of metadata")
    return dtype
