"""Weights in every form a checkpoint stores and a graph holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.decoder.blocks import BlockWeight, DenseWeight, Weight

BLOCK_SIZE = 32
BLOCK_BYTES = {Encoding.Q8_0: 34, Encoding.Q4_0: 18, Encoding.Q4_1: 20}
BLOCK_ENCODINGS = tuple(BLOCK_BYTES)


def block_tensor(encoding: Encoding, shape: tuple[int, int], seed: int = 0) -> Tensor:
    """Random codes; scales and minimums that make weights of about 0.1."""
    generator = np.random.default_rng(seed)
    num_blocks = shape[1] // BLOCK_SIZE
    data = generator.integers(0, 256, (shape[0], num_blocks, BLOCK_BYTES[encoding]), np.uint8)
    numbers = 2 if encoding is Encoding.Q4_1 else 1
    largest = 0.002 if encoding is Encoding.Q8_0 else 0.04
    halves = generator.uniform(-largest, largest, (shape[0], num_blocks, numbers))
    if numbers == 2:
        # Zero lies among the codes, as in all blocks that are fitted to weights.
        halves[..., 1] = -halves[..., 0] * generator.uniform(0, 15, halves.shape[:2])
    data[:, :, : 2 * numbers] = halves.astype("<f2").view(np.uint8)
    return Tensor(f"{encoding.value}", encoding, shape, data)


def dense_tensor(
    shape: tuple[int, ...], encoding: Encoding = Encoding.F32, seed: int = 0
) -> Tensor:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    stored: NDArray[np.generic] = values
    if encoding is Encoding.F16:
        stored = values.astype(np.float16)
    if encoding is Encoding.BF16:
        stored = (values.view(np.uint32) >> 16).astype(np.uint16)
    return Tensor(encoding.value, encoding, shape, stored)


def value_of(weight: Weight) -> NDArray[np.float32]:
    """The numbers that `weight` stands for by its own docstring, `[N, K]`."""
    if isinstance(weight, DenseWeight):
        return weight.values.astype(np.float32)
    return _value_of_blocks(weight)


def _value_of_blocks(weight: BlockWeight) -> NDArray[np.float32]:
    codes = weight.codes
    if weight.bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:2], -1)
    zero: NDArray[np.float32] | int = 1 << (weight.bits - 1)
    if weight.zero_points is not None:
        zero = weight.zero_points[..., None].astype(np.float32)
    centred = codes.astype(np.float32) - zero
    values = weight.scales[..., None] * centred
    if weight.offsets is not None:
        values = values + weight.offsets[..., None]
    if weight.offset_blocks is not None:
        values = values + weight.offset_blocks.values(weight.num_blocks)[..., None]
    columns = values.reshape(weight.shape)
    return columns if weight.order is None else columns[:, np.argsort(weight.order)]
