"""What a package is made for: the arithmetic that a provider's kernels want."""

from __future__ import annotations

from enum import Enum

import numpy as np

from export.operators.kernels import ProviderName
from service.store.manifest import KvDtype


class Target(Enum):
    """A kind of device.

    No graph is for all of them: CUDA's GroupQueryAttention takes 16 bits alone, the processor has
    no float16 kernels for what stands between the products (`export/operators/kernels.toml`), and
    DirectML wants another form (`directml`). The processor is the default: every machine has one,
    and a graph for a GPU runs there too, casting to and fro.
    """

    CPU = "cpu"
    CUDA = "cuda"
    DIRECTML = "directml"

    @property
    def provider(self) -> ProviderName:
        """The row of the table of kernels that graphs are held against."""
        return self.value

    @property
    def kv_dtype(self) -> KvDtype:
        """The type of keys and values."""
        return "float32" if self is Target.CPU else "float16"

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The type of all activations, keys and values among them."""
        return np.dtype(self.kv_dtype)
