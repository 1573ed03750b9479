"""4-bit blocks with offsets as 8-bit blocks of twice their size, two by two.

A decode step of a small model waits for memory. Packed for the kernel, an 8-bit block of 32 brings
8 bytes of scale and zero beside its 32 codes, and so does one of 64: a tenth less to read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.decoder.blocks import BlockWeight, numbers_of
from export.decoder.noise import is_negligible

_HIGHEST_CODE = 255


def pair(weight: BlockWeight) -> BlockWeight | None:
    """The 4-bit `weight` with offsets in 8-bit blocks of twice the size with zero points, or None
    where the blocks cannot be paired or are too unlike for one scale to serve two of them."""
    num_outputs, num_blocks = weight.scales.shape
    if weight.bits != 4 or num_blocks % 2 or weight.order is not None:
        return None
    numbers = numbers_of(weight).reshape(num_outputs, num_blocks // 2, -1)
    scales, zero_points = _scales_and_zeros(numbers)
    if not is_negligible(scales, weight.scales):
        return None
    steps = np.where(scales, scales, np.float32(1))[..., None]
    codes = np.rint(numbers / steps) + zero_points[..., None]
    return BlockWeight(
        bits=8,
        block_size=2 * weight.block_size,
        codes=np.clip(codes, 0, _HIGHEST_CODE).astype(np.uint8),
        scales=scales,
        zero_points=zero_points.astype(np.uint8),
    )


def _scales_and_zeros(
    numbers: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The finest steps of `numbers` `[N, blocks, block_size]` whose codes reach all of a block,
    and the code of its zero."""
    low, high = numbers.min(-1), numbers.max(-1)
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    scales = (high - low) / np.float32(_HIGHEST_CODE)
    zeros = np.divide(-low, scales, out=np.zeros_like(low), where=scales != 0)
    return scales, np.rint(zeros)
