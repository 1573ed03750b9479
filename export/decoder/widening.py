"""4-bit blocks with offsets as 8-bit blocks with zero points, which need no correction.

The zero of a block `scale * (code - 8) + offset` lies at the code `8 - offset / scale`, which is no
whole number. With codes spread `factor` times as far and a scale as much smaller it comes to lie
`factor` times as far out, and some whole number of 8 bits is near. So codes and scales keep their
values and the zero alone moves: by at most 1/34 of a step, and by 1/230 on average, since the
factor that brings it nearest is taken (a real has good approximations by fractions of small
denominators: Hardy and Wright, An Introduction to the Theory of Numbers, chapter III).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.decoder.blocks import BlockWeight
from export.decoder.nibbles import unpack_nibbles

_LARGEST_FACTOR = 17
"""255 / 15: with it the largest code of 4 bits becomes the largest of 8."""


def widen(weight: BlockWeight) -> BlockWeight:
    """The 4-bit `weight` with offsets in 8 bits, each of its numbers within 1/34 of its block's
    scale; `weight` itself if it has a block that lies too far from zero for that, or has 8 bits
    already."""
    assert weight.offsets is not None
    if weight.bits == 8:
        return weight
    scales = weight.scales.astype(np.float64)
    is_flat = scales == 0
    zeros = 8 - np.divide(weight.offsets, scales, out=np.zeros_like(scales), where=~is_flat)
    factors = _best_factors(zeros)
    if not factors.all():
        return weight
    landed = np.rint(zeros * factors)
    # All numbers of a flat block are its offset.
    codes = np.where(is_flat, 1, np.maximum(-landed, 0))[..., None] + (
        np.where(is_flat, 0, factors)[..., None] * unpack_nibbles(weight.codes)
    )
    return BlockWeight(
        bits=8,
        block_size=weight.block_size,
        codes=codes.astype(np.uint8),
        scales=np.where(is_flat, weight.offsets, scales / factors).astype(np.float32),
        zero_points=np.where(is_flat, 0, np.maximum(landed, 0)).astype(np.uint8),
    )


def in_bytes(weight: BlockWeight) -> BlockWeight:
    """The 4-bit `weight` with a byte for each code: the very same numbers."""
    assert weight.bits == 4
    zeros = weight.zero_points
    return BlockWeight(
        bits=8,
        block_size=weight.block_size,
        codes=unpack_nibbles(weight.codes),
        scales=weight.scales,
        offsets=weight.offsets,
        zero_points=np.full(weight.scales.shape, 8, np.uint8) if zeros is None else zeros,
        order=weight.order,
    )


def _best_factors(zeros: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each of `zeros` the factor that brings it nearest to a whole number, 0 if none fits."""
    best = np.zeros(zeros.shape, np.int64)
    least = np.full(zeros.shape, np.inf)
    # From the largest down, so that of equals the one with the finest steps stays.
    for factor in range(_LARGEST_FACTOR, 0, -1):
        landed = np.rint(zeros * factor)
        error = np.abs(zeros - landed / factor)
        # A zero below all codes takes codes above it, one above them a zero point of 8 bits.
        fits = (landed <= 255) & (15 * factor - landed <= 255)
        better = fits & (error < least)
        best[better], least[better] = factor, error[better]
    return best
