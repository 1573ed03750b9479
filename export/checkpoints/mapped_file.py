"""A file as read-only memory: mapped, never copied, its size known before anything is read."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from export.errors import ExportError


class MappedFile:
    """The bytes of one file, paged in by the operating system as they are touched.

    Every read is bounds-checked by the caller against `size`, which is the only length trusted.
    """

    def __init__(self, path: Path) -> None:
        """Raises ExportError where the file is missing, empty or unreadable."""
        self.path = path
        try:
            if not path.is_file():
                raise ExportError(f"{path}: no such file")
            if path.stat().st_size == 0:
                raise ExportError(f"{path}: the file is empty")
            # A plain view: numpy's memmap subclass would slow down every slice taken of it.
            self.bytes: NDArray[np.uint8] = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        except OSError as error:
            raise ExportError(f"{path}: cannot be read ({error.strerror or error})") from error
        self.view: memoryview = self.bytes.data
        self.size: int = self.bytes.size

    def array(self, offset: int, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """A view of the values at byte `offset`, which need not be aligned."""
        length = math.prod(shape) * np.dtype(dtype).itemsize
        assert 0 <= offset <= offset + length <= self.size
        return self.bytes[offset : offset + length].view(dtype).reshape(shape)
