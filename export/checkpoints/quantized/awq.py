"""AWQ's layout of version "gemm", as AutoAWQ writes it (`gemm.py` and `packing_utils.py`).

    qweight   int32 [K, N / 8]   codes along N
    qzeros    int32 [G, N / 8]   zeros along N
    scales    float [G, N]

Of eight outputs in a word the even ones come first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.checkpoints.dequantize import dequantize
from export.checkpoints.quantized.packing import Codes, grouped, unpack_columns
from export.checkpoints.quantized.raw import RawTensors

_POSITIONS = (0, 4, 1, 5, 2, 6, 3, 7)
"""Where in a word outputs 0 to 7 are."""


@dataclass(frozen=True, slots=True)
class AwqLayout:
    """See above; always of 4 bits."""

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        return raw.has(name.removesuffix("weight") + "qweight")

    def read(self, raw: RawTensors, name: str) -> Tensor:
        stem = name.removesuffix("weight")
        codes = _unpack(raw.integers(stem + "qweight", "I32", 2))
        zeros = _unpack(raw.integers(stem + "qzeros", "I32", 2))
        scales = np.ascontiguousarray(dequantize(raw.plain(stem + "scales")).T)
        return grouped(name, codes, 4, scales, zeros)


def _unpack(words: NDArray[np.generic]) -> Codes:
    """`[R, C]` words to codes `[8 * C, R]`."""
    codes = unpack_columns(words, 4).reshape(*words.shape, 8)[..., _POSITIONS]
    return np.ascontiguousarray(codes.reshape(len(words), -1).T)
