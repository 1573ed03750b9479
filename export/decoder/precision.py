"""What `--precision` means for each weight of a decoder."""

from __future__ import annotations

from enum import Enum

import numpy as np

from export.checkpoints.base import Tensor
from export.decoder.blocks import (
    Weight,
    carry,
    densify,
    fitting_block_size,
    is_in_four_bits,
    quantize,
    quantize_by_search,
)


class Precision(Enum):
    """How weights are stored in a package. `SOURCE` carries them without loss."""

    SOURCE = "source"
    INT4 = "int4"
    INT8 = "int8"
    FP16 = "fp16"
    FP32 = "fp32"

    @property
    def bits_per_weight(self) -> int | None:
        """Scales included, rounded up; None where the source decides."""
        return {"int4": 7, "int8": 9, "fp16": 16, "fp32": 32}.get(self.value)

    def linear(self, tensor: Tensor, *, is_sensitive: bool = False) -> Weight:
        """The weight of a layer's linear, for INT4 in 8 bits if it `is_sensitive`. What is in
        4 bits already is carried, since rounding it again would cost much and save nothing."""
        if self is not Precision.INT4:
            return self._elsewhere(tensor)
        if is_in_four_bits(tensor):
            return carry(tensor)
        return _quantize(tensor, 64) if is_sensitive else _search(tensor, 32)

    def vocabulary(self, tensor: Tensor) -> Weight:
        """The weight of an embedding or a head, which 4 bits would harm more than they save."""
        if self is Precision.INT4:
            return _quantize(tensor, 64)
        return self._elsewhere(tensor)

    def _elsewhere(self, tensor: Tensor) -> Weight:
        match self:
            case Precision.INT8:
                return _quantize(tensor, 64)
            case Precision.FP16:
                return densify(tensor, np.float16)
            case Precision.FP32:
                return densify(tensor, np.float32)
            case _:
                return carry(tensor)


def _quantize(tensor: Tensor, preferred_block_size: int) -> Weight:
    """In 8 bits."""
    block_size = fitting_block_size(tensor.shape[1], preferred_block_size)
    if block_size is None:
        return densify(tensor, np.float32)
    return quantize(tensor, 8, block_size)


def _search(tensor: Tensor, preferred_block_size: int) -> Weight:
    """In 4 bits."""
    block_size = fitting_block_size(tensor.shape[1], preferred_block_size)
    if block_size is None:
        return densify(tensor, np.float32)
    return quantize_by_search(tensor, block_size)
