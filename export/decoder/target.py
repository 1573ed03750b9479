"""What a package is made for: the arithmetic that a provider's kernels want."""

from __future__ import annotations

from enum import Enum

import numpy as np

from export.operators.kernels import ProviderName
from service.store.manifest import KvDtype


class Target(Enum):
    """A kind of device. GroupQueryAttention takes float32 on CPU and 16 bits on CUDA
    (ONNX Runtime's docs/OperatorKernels.md), and the whole graph follows it. DirectML takes both,
    and 16 bits are what its devices are made for."""

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
