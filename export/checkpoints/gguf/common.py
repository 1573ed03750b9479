"""What the parts of a config are read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.reader import GgufFile


@dataclass(frozen=True, slots=True)
class Model:
    """A file, the prefix of its architecture's keys, and the sizes that several keys depend on."""

    gguf: GgufFile
    prefix: str
    num_layers: int
    num_heads: int
    hidden_size: int
    head_dim: int

    @property
    def metadata(self) -> Metadata:
        return self.gguf.metadata

    def has(self, key: str) -> bool:
        """Whether the metadata have `key` behind the architecture's prefix."""
        return f"{self.prefix}.{key}" in self.metadata

    def number(self, key: str, default: float | None = None) -> float:
        return shortest(self.metadata.number(f"{self.prefix}.{key}", default))

    def integer(self, key: str, default: int | None = None) -> int:
        return self.metadata.integer(f"{self.prefix}.{key}", default)

    def positive(self, key: str, default: int | None = None) -> int:
        return positive(self.metadata, f"{self.prefix}.{key}", default)


def positive(metadata: Metadata, key: str, default: int | None = None) -> int:
    """A whole number above 0. Raises ExportError naming a key with another value."""
    value = metadata.integer(key, default)
    if value == 0:
        raise metadata.error(key, "is 0")
    return value


def shortest(value: float) -> float:
    """The shortest decimal that is the same float32: 1e-05 for 9.99999974e-06."""
    return float(str(np.float32(value)))
