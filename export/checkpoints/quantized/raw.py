"""The tensors of a folder by the names and in the numbers its files give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.checkpoints.json_file import one_line
from export.checkpoints.safetensors_file import SafetensorsFile
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class RawTensors:
    """Which file each tensor is in. Every method raises ExportError for a tensor that is not
    there or not as expected, naming it."""

    folder: Path
    files: Mapping[str, SafetensorsFile]

    def has(self, name: str) -> bool:
        return name in self.files

    def dtype(self, name: str) -> str:
        """What the file calls the type of its numbers, as `F8_E4M3`; empty if it is not there."""
        return self.files[name].dtype(name) if name in self.files else ""

    def integers(self, name: str, dtype: str, num_dims: int) -> NDArray[np.generic]:
        """The numbers of an integer tensor of that type, mapped."""
        found = self.raw(name)
        if self.dtype(name) != dtype or found.ndim != num_dims:
            raise ExportError(
                f"{self.folder}: tensor {one_line(name)!r} is {self.dtype(name)} of {found.ndim} "
                f"dimensions, {dtype} of {num_dims} is expected"
            )
        return found

    def raw(self, name: str) -> NDArray[np.generic]:
        """The numbers as they are stored, mapped: integers, and 8-bit floats as uint8."""
        return self._file(name).raw(name)

    def plain(self, name: str) -> Tensor:
        """A tensor of plain numbers, mapped."""
        return self._file(name).tensor(name)

    def _file(self, name: str) -> SafetensorsFile:
        if name not in self.files:
            raise ExportError(f"{self.folder}: there is no tensor {one_line(name)!r}")
        return self.files[name]


class Layout(Protocol):
    """One way to store quantised weights."""

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        """Whether the weight `name`, as transformers calls it, is stored in this way."""
        ...

    def read(self, raw: RawTensors, name: str) -> Tensor:
        """That weight. Raises ExportError where what it is made of is missing or contradicts
        itself."""
        ...
