"""Super-blocks of 256 weights: blocks of 16 or 32 whose scales are small whole numbers themselves.

    Q2_K    16 bytes (scale | minimum << 4), 64 bytes q, d, dmin     w = q * (d * s) - dmin * m
    Q3_K    32 bytes third bits, 64 bytes q, 12 bytes s, d           w = (q - 4) * (d * (s - 32))
    Q4_K    d, dmin, 12 bytes s and m, 128 bytes q                   w = q * (d * s) - dmin * m
    Q5_K    d, dmin, 12 bytes s and m, 32 bytes fifth bits, 128 q    w = q * (d * s) - dmin * m
    Q6_K    128 bytes low q, 64 bytes high q, 16 signed s, d         w = (q - 32) * (d * s)
    IQ4_XS  d, 2 bytes high s, 4 bytes low s, 128 bytes q            w = table[q] * (d * (s - 32))

`d` and `dmin` are float16, of 11 bits, and `s` and `m` of 4 to 8, so that their products, the
scales and minimums here, are exact in float32. Source: `dequantize_row_*` in ggml-quants.c.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.ggml.blocks import (
    Blocks,
    Bytes,
    Floats,
    as_quants,
    bit_planes,
    float16s,
    join_blocks,
    nibbles,
    pairs_of_bits,
)
from export.checkpoints.ggml.simple import UNEVEN_LEVELS


def unpack_q2_k(data: Bytes) -> Blocks:
    packed = data[:, :, :16]
    scales = _products(data, 80, packed & np.uint8(15))
    minimums = _products(data, 82, packed >> np.uint8(4))
    return Blocks(as_quants(pairs_of_bits(data[:, :, 16:80])), scales, -minimums)


def unpack_q3_k(data: Bytes) -> Blocks:
    codes = pairs_of_bits(data[:, :, 32:96]) | (bit_planes(data[:, :, :32]) << np.uint8(2))
    packed = data[:, :, 96:108]
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    high = (packed[:, :, None, 8:] >> shifts) & np.uint8(3)
    scales = nibbles(packed[:, :, :8], 8) | (high.reshape(*packed.shape[:2], 16) << np.uint8(4))
    return Blocks(as_quants(codes, 4), _products(data, 108, scales.view(np.int8) - np.int8(32)))


def unpack_q4_k(data: Bytes) -> Blocks:
    scales, minimums = _scales_and_minimums(data)
    return Blocks(as_quants(nibbles(data[:, :, 16:], 32)), scales, -minimums)


def unpack_q5_k(data: Bytes) -> Blocks:
    scales, minimums = _scales_and_minimums(data)
    codes = nibbles(data[:, :, 48:], 32) | (bit_planes(data[:, :, 16:48]) << np.uint8(4))
    return Blocks(as_quants(codes), scales, -minimums)


def unpack_q6_k(data: Bytes) -> Blocks:
    high = pairs_of_bits(data[:, :, 128:192]) << np.uint8(4)
    codes = nibbles(data[:, :, :128], 64) | high
    scales = _products(data, 208, np.ascontiguousarray(data[:, :, 192:208]).view(np.int8))
    return Blocks(as_quants(codes, 32), scales)


def unpack_iq4_xs(data: Bytes) -> Blocks:
    low = np.stack([data[:, :, 4:8] & np.uint8(15), data[:, :, 4:8] >> np.uint8(4)], axis=-1)
    shifts = np.array([0, 2, 4, 6], np.uint8)
    high = (data[:, :, 2:4, None] >> shifts) & np.uint8(3)
    shape = (*data.shape[:2], 8)
    codes = low.reshape(shape) | (high.reshape(shape) << np.uint8(4))
    scales = _products(data, 0, codes.view(np.int8) - np.int8(32))
    return Blocks(as_quants(UNEVEN_LEVELS[nibbles(data[:, :, 8:], 16)]), scales)


def _scales_and_minimums(data: Bytes) -> tuple[Floats, Floats]:
    """Of Q4_K and Q5_K: 8 scales and 8 minimums of 6 bits each in 12 bytes."""
    first, second, rest = data[:, :, 4:8], data[:, :, 8:12], data[:, :, 12:16]
    low, high = np.uint8(15), np.uint8(48)
    scales = np.concatenate(
        [first & np.uint8(63), (rest & low) | ((first >> np.uint8(2)) & high)], axis=-1
    )
    minimums = np.concatenate(
        [second & np.uint8(63), (rest >> np.uint8(4)) | ((second >> np.uint8(2)) & high)], axis=-1
    )
    return _products(data, 0, scales), _products(data, 2, minimums)


def _products(data: Bytes, offset: int, factors: NDArray[np.generic]) -> Floats:
    """Each super-block's float16 at `offset` times its small numbers `[rows, blocks, n]`."""
    with np.errstate(invalid="ignore"):
        return join_blocks(float16s(data, offset)[:, :, None] * factors.astype(np.float32))
