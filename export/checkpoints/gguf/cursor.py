"""Reading little-endian values from a mapped file without ever stepping outside it."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.mapped_file import MappedFile
from export.errors import ExportError

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Cursor:
    """A position in a file that only moves forward.

    Every declared length is compared with what is left of the file before it is used, so that
    no length read from the file can make anything larger than the file be allocated.
    """

    def __init__(self, file: MappedFile, position: int) -> None:
        self._file = file
        self._view = file.view
        self.path = file.path
        self.position = position

    @property
    def num_left(self) -> int:
        """Bytes from here to the end of the file."""
        return self._file.size - self.position

    def u32(self) -> int:
        start = self._advance(4)
        value: int = _U32.unpack_from(self._view, start)[0]
        return value

    def u64(self) -> int:
        start = self._advance(8)
        value: int = _U64.unpack_from(self._view, start)[0]
        return value

    def count(self, what: str, min_bytes_each: int) -> int:
        """A declared number of things, refused where the file is too short to hold them."""
        number = self.u64()
        if number > self.num_left // min_bytes_each:
            raise self.error(f"{number} {what} are declared, more than the file can hold")
        return number

    def string(self) -> str:
        length = self.u64()
        if length > self.num_left:
            raise self.error(f"a string of {length} bytes reaches beyond the end of the file")
        start = self._advance(length)
        return self._decode(start, length)

    def strings(self, number: int) -> list[str]:
        """`number` strings one after another; their count has been checked by `count`."""
        # Vocabularies hold hundreds of thousands of strings, so this loop keeps everything local.
        view, unpack, size = self._view, _U64.unpack_from, self._file.size
        position = self.position
        result = []
        try:
            for _ in range(number):
                start = position + 8
                position = start + unpack(view, position)[0]
                if position > size:
                    raise self.error("a string reaches beyond the end of the file")
                result.append(str(view[start:position], "utf-8"))
        except (struct.error, UnicodeDecodeError) as error:
            raise self.error("a list of strings is cut off or not valid UTF-8") from error
        self.position = position
        return result

    def numbers(self, dtype: str, number: int) -> NDArray[np.generic]:
        """A view of `number` values of `dtype`."""
        length = number * np.dtype(dtype).itemsize
        return self._file.array(self._advance(length), dtype, (number,))

    def error(self, problem: str) -> ExportError:
        return ExportError(f"{self.path}: not a valid GGUF file: {problem}")

    def _decode(self, start: int, length: int) -> str:
        try:
            return str(self._view[start : start + length], "utf-8")
        except UnicodeDecodeError as error:
            raise self.error("a string is not valid UTF-8") from error

    def _advance(self, length: int) -> int:
        start = self.position
        if length > self.num_left:
            raise self.error("the file ends too early")
        self.position = start + length
        return start
