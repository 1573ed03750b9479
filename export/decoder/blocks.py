"""Weights in the forms the graph holds: dense, or in blocks as MatMulNBits wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Groups, Tensor
from export.checkpoints.dequantize import dequantize, select_rows, unpack_blocks
from export.checkpoints.ggml.blocks import BlockEncoding, Blocks
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from export.decoder.nibbles import pack_nibbles, unpack_nibbles
from export.decoder.offset_blocks import OffsetBlocks, stack_offsets
from export.decoder.searching import fit
from export.decoder.tensor_file import as_bfloat16

Bits = Literal[4, 8]

_SEARCHED_AT_ONCE = 1 << 18
"""Weights that stay in a processor's cache while all is tried on them."""

_LARGEST_BLOCK = 256
"""Beyond it ONNX Runtime has no fast kernel."""


@dataclass(frozen=True, slots=True)
class DenseWeight:
    """`values`: float32, float16 or bfloat16 `[N, K]`."""

    values: NDArray[np.generic]

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]


@dataclass(frozen=True, slots=True)
class BlockWeight:
    """`[N, K]` in blocks along K: `weight = scale * (code - zero_point) + offset`.

    - `codes`: uint8 `[N, K / block_size, block_size * bits / 8]`, low nibble first
    - `scales`: float32 `[N, K / block_size]`
    - `offsets`: float32 `[N, K / block_size]`, or None where all are zero
    - `zero_points`: uint8 `[N, K / block_size]`, not packed, or None where all are
      `2 ** (bits - 1)`
    - `order`: int64 `[K]`, the input that each column belongs to, or None where they are in order
    - `offset_blocks`: the offsets in blocks of their own, or None; there are no `offsets` then
    """

    bits: Bits
    block_size: int
    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    offsets: NDArray[np.float32] | None = None
    zero_points: NDArray[np.uint8] | None = None
    order: NDArray[np.int64] | None = None
    offset_blocks: OffsetBlocks | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.codes.shape[0], self.num_blocks * self.block_size

    @property
    def num_blocks(self) -> int:
        """Those of a row, offsets not counted."""
        num_blocks: int = self.codes.shape[1]
        return num_blocks


Weight = DenseWeight | BlockWeight


def carry(tensor: Tensor) -> Weight:
    """`tensor` as it is, to the last bit: no format here rounds what the source stores."""
    if tensor.encoding is Encoding.BF16:
        return DenseWeight(as_bfloat16(tensor.data))
    if not tensor.encoding.is_block:
        return DenseWeight(tensor.data)
    if tensor.groups is not None:
        return _carry_groups(tensor, tensor.groups)
    encoding = BLOCK_ENCODINGS[tensor.encoding]
    parts = [
        _carry_blocks(encoding, unpack_blocks(select_rows(tensor, rows)))
        for rows in _slices_of_rows(tensor)
    ]
    return stack(parts) if len(parts) > 1 else parts[0]


def densify(tensor: Tensor, dtype: type[np.float16] | type[np.float32]) -> DenseWeight:
    """`tensor` as plain numbers of `dtype`."""
    # What float16 cannot hold becomes infinite, which `finite` refuses.
    with np.errstate(over="ignore"):
        return DenseWeight(dequantize(tensor).astype(dtype, copy=False))


def quantize(tensor: Tensor, bits: Bits, block_size: int) -> BlockWeight:
    """Symmetric round-to-nearest blocks, the largest magnitude of a block setting its scale.

    Done in slices of rows, so that the float32 form of a large tensor is never held whole.
    """
    parts = [
        _quantize_rows(dequantize(tensor, rows), bits, block_size)
        for rows in _slices_of_rows(tensor)
    ]
    return stack(parts) if len(parts) > 1 else parts[0]


def quantize_by_search(tensor: Tensor, block_size: int) -> BlockWeight:
    """4-bit blocks with zero points, whose scales are searched for; see `searching`."""
    parts = [
        _fit_rows(dequantize(tensor, rows), block_size)
        for rows in _slices_of_rows(tensor, _SEARCHED_AT_ONCE)
    ]
    return stack(parts) if len(parts) > 1 else parts[0]


def is_in_four_bits(tensor: Tensor) -> bool:
    """Whether blocks of 4 bits hold `tensor` as it is."""
    if tensor.groups is not None:
        return tensor.groups.bits == 4
    return tensor.encoding.is_block and BLOCK_ENCODINGS[tensor.encoding].fits_four_bits


def stack(parts: Sequence[BlockWeight]) -> BlockWeight:
    """Weights of one form over the same inputs as one: their rows below each other."""
    offsets = [part.offsets for part in parts if part.offsets is not None]
    zero_points = [part.zero_points for part in parts if part.zero_points is not None]
    offset_blocks = [part.offset_blocks for part in parts if part.offset_blocks is not None]
    return BlockWeight(
        parts[0].bits,
        parts[0].block_size,
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.scales for part in parts]),
        np.concatenate(offsets) if offsets else None,
        np.concatenate(zero_points) if zero_points else None,
        parts[0].order,
        stack_offsets(offset_blocks) if offset_blocks else None,
    )


def fitting_block_size(num_inputs: int, preferred: int) -> int | None:
    """The largest block that divides the inputs, from `preferred` down to 16, if any does."""
    size = preferred
    while size >= 16 and num_inputs % size:
        size //= 2
    return size if size >= 16 else None


def numbers_of(weight: BlockWeight, rows: slice = slice(None)) -> NDArray[np.float32]:
    """What the blocks of `rows` stand for, `[rows, K]`, in the order of the blocks."""
    codes, scales = weight.codes[rows], weight.scales[rows]
    levels = (unpack_nibbles(codes) if weight.bits == 4 else codes).astype(np.float32)
    if weight.zero_points is None:
        levels -= np.float32(1 << (weight.bits - 1))
    else:
        levels -= weight.zero_points[rows][..., None]
    levels *= scales[..., None]
    if weight.offsets is not None:
        levels += weight.offsets[rows][..., None]
    if weight.offset_blocks is not None:
        levels += weight.offset_blocks.values(weight.num_blocks)[rows][..., None]
    return levels.reshape(len(scales), -1)


def _carry_groups(tensor: Tensor, groups: Groups) -> Weight:
    """Groups as they are, or as several blocks with one scale where a group is too large, or of
    a size, that MatMulNBits does not take."""
    block_size = fitting_block_size(groups.size, _LARGEST_BLOCK)
    if block_size is None:
        return DenseWeight(dequantize(tensor))
    codes = tensor.data.astype(np.uint8, copy=False)
    repeats = groups.size // block_size
    zeros = groups.zeros
    return BlockWeight(
        groups.bits,
        block_size,
        _in_blocks(
            codes if groups.bits == 8 else pack_nibbles(codes), block_size * groups.bits // 8
        ),
        np.repeat(groups.scales, repeats, axis=1),
        zero_points=None if zeros is None else np.repeat(zeros, repeats, axis=1),
        order=groups.order,
    )


def _carry_blocks(encoding: BlockEncoding, blocks: Blocks) -> BlockWeight:
    """The same numbers in the least bits that hold them, offset only where they have minimums."""
    size, scales, offsets = blocks.block_size, blocks.scales, blocks.minimums
    if not encoding.fits_four_bits:
        unsigned = blocks.quants.view(np.uint8) ^ np.uint8(0x80)
        return BlockWeight(8, size, _in_blocks(unsigned, size), scales, offsets)
    # Of codes that fit both ways, those around the zero point need no offset of their own.
    shift = 8 if encoding.highest < 8 else 0
    if not shift:
        assert offsets is not None
        offsets = offsets + 8 * scales
    codes = pack_nibbles(blocks.quants.view(np.uint8) + np.uint8(shift))
    return BlockWeight(4, size, _in_blocks(codes, size // 2), scales, offsets)


def _slices_of_rows(tensor: Tensor, at_once: int = 1 << 22) -> list[slice]:
    """Some four million weights at a time, for what passes through a form that is larger."""
    step = max(1, at_once // tensor.shape[1])
    return [slice(start, start + step) for start in range(0, tensor.shape[0], step)]


def _fit_rows(rows: NDArray[np.float32], block_size: int) -> BlockWeight:
    fitted = fit(rows.reshape(rows.shape[0], -1, block_size))
    codes = pack_nibbles(fitted.codes)
    return BlockWeight(4, block_size, codes, fitted.scales, zero_points=fitted.zero_points)


def _quantize_rows(rows: NDArray[np.float32], bits: Bits, block_size: int) -> BlockWeight:
    blocks = rows.reshape(rows.shape[0], -1, block_size)
    # The extreme of larger magnitude takes the code that only its sign has: -2^(bits-1).
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    half = 1 << (bits - 1)
    scales = extreme / np.float32(-half)
    # Not by the inverse, which overflows for the smallest scales.
    scaled = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales != 0)
    codes = np.clip(np.rint(scaled) + half, 0, 2 * half - 1).astype(np.uint8)
    stored = codes if bits == 8 else pack_nibbles(codes)
    return BlockWeight(bits, block_size, stored, scales[..., 0])


def _in_blocks(rows: NDArray[np.uint8], bytes_per_block: int) -> NDArray[np.uint8]:
    return rows.reshape(rows.shape[0], -1, bytes_per_block)
