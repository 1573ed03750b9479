"""Stored weights as the float32 numbers they stand for, exactly as ggml computes them.

A block holds `BLOCK_SIZE` (32) weights of one row behind little-endian float16 numbers:

    Q8_0   scale             32 signed bytes q         w = q * scale
    Q4_0   scale             16 bytes, two q each      w = (q - 8) * scale
    Q4_1   scale, minimum    16 bytes, two q each      w = q * scale + minimum

Of byte j in a Q4 block the low nibble is weight j and the high nibble weight j + 16.
Source: `dequantize_row_*` in ggml-quants.c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import BLOCK_SIZE, Encoding, Tensor

_HALF = BLOCK_SIZE // 2


@dataclass(frozen=True, slots=True)
class Blocks:
    """A block-encoded tensor taken apart; a weight is `(quant - zero_point) * scale + minimum`.

    - `quants`: one per weight, not packed, `[rows, cols]`; int8 for Q8_0, uint8 codes 0 to 15
      for Q4_0 and Q4_1
    - `zero_point`: 8 for Q4_0, else 0
    - `scales`: float32 `[rows, blocks_per_row]`
    - `minimums`: the same for Q4_1, else None
    """

    quants: NDArray[np.int8] | NDArray[np.uint8]
    zero_point: int
    scales: NDArray[np.float32]
    minimums: NDArray[np.float32] | None


def dequantize(tensor: Tensor, rows: slice | None = None) -> NDArray[np.float32]:
    """The weights of `tensor`, or of those `rows` of its first axis, in its logical shape.

    float32, newly allocated, except that F32 is returned as the (read-only) view it is. Only
    what the rows need is read.
    """
    if tensor.encoding.is_block:
        return _dequantize_blocks(tensor, rows)
    data = tensor.data if rows is None else tensor.data[rows]
    if tensor.encoding is Encoding.BF16:
        upper_halves = data.astype(np.uint32)
        upper_halves <<= 16
        return upper_halves.view(np.float32)
    return data.astype(np.float32, copy=False)


def unpack_blocks(tensor: Tensor) -> Blocks:
    """The quants, scales and minimums of a tensor whose encoding `is_block`."""
    return _unpack(tensor.encoding, cast("NDArray[np.uint8]", tensor.data))


def _dequantize_blocks(tensor: Tensor, rows: slice | None) -> NDArray[np.float32]:
    data = cast("NDArray[np.uint8]", tensor.data)
    shape = tensor.shape
    if rows is not None and len(shape) > 1:
        leading = data.reshape(*shape[:-1], *data.shape[1:])[rows]
        shape = (*leading.shape[:-2], shape[-1])
        data = leading.reshape(math.prod(shape[:-1]), *data.shape[1:])
    weights = _combine(_unpack(tensor.encoding, data)).reshape(shape)
    return weights[rows] if rows is not None and len(shape) == 1 else weights


def _combine(blocks: Blocks) -> NDArray[np.float32]:
    rows, num_blocks = blocks.scales.shape
    weights = blocks.quants.reshape(rows, num_blocks, BLOCK_SIZE).astype(np.float32)
    if blocks.zero_point:
        weights -= np.float32(blocks.zero_point)
    # A damaged scale may be infinite: that shows when the package is verified, not as a warning.
    with np.errstate(invalid="ignore"):
        weights *= blocks.scales[:, :, None]
        if blocks.minimums is not None:
            weights += blocks.minimums[:, :, None]
    return weights.reshape(rows, num_blocks * BLOCK_SIZE)


def _unpack(encoding: Encoding, data: NDArray[np.uint8]) -> Blocks:
    """`data` is `[rows, blocks_per_row, bytes_per_block]`."""
    rows, num_blocks, _ = data.shape
    scales = _float16_column(data, 0)
    if encoding is Encoding.Q8_0:
        quants = np.ascontiguousarray(data[:, :, 2:]).view(np.int8)
        return Blocks(quants.reshape(rows, num_blocks * BLOCK_SIZE), 0, scales, None)
    if encoding is Encoding.Q4_0:
        return Blocks(_nibbles(data[:, :, 2:]), 8, scales, None)
    assert encoding is Encoding.Q4_1, f"{encoding} has no blocks"
    return Blocks(_nibbles(data[:, :, 4:]), 0, scales, _float16_column(data, 2))


def _float16_column(data: NDArray[np.uint8], offset: int) -> NDArray[np.float32]:
    pairs = np.ascontiguousarray(data[:, :, offset : offset + 2])
    return pairs.view("<f2")[:, :, 0].astype(np.float32)


def _nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`[rows, blocks, 16]` bytes to `[rows, blocks * 32]` codes, in the order of the weights."""
    rows, num_blocks, _ = packed.shape
    codes = np.empty((rows, num_blocks, BLOCK_SIZE), np.uint8)
    np.bitwise_and(packed, 0x0F, out=codes[:, :, :_HALF])
    np.right_shift(packed, 4, out=codes[:, :, _HALF:])
    return codes.reshape(rows, num_blocks * BLOCK_SIZE)
