"""A block encoding taken apart: whole numbers, and the scales and minimums they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Blocks:
    """A weight is `quant * scale + minimum`, each product and sum in float32.

    - `quants`: int8, one per weight, `[rows, cols]`
    - `scales`: float32 `[rows, cols / block_size]`
    - `minimums`: the same, or None where all are zero
    """

    quants: NDArray[np.int8]
    scales: Floats
    minimums: Floats | None = None

    @property
    def block_size(self) -> int:
        """Weights along a row that share a scale."""
        size: int = self.quants.shape[1] // self.scales.shape[1]
        return size

    def combine(self) -> Floats:
        """The weights, `[rows, cols]`, newly allocated."""
        weights = self.quants.reshape(*self.scales.shape, self.block_size).astype(np.float32)
        # A damaged scale may be infinite: that shows when the package is verified, not as a
        # warning.
        with np.errstate(invalid="ignore", over="ignore"):
            weights *= self.scales[:, :, None]
            if self.minimums is not None:
                weights += self.minimums[:, :, None]
        return weights.reshape(self.quants.shape)


@dataclass(frozen=True, slots=True)
class BlockEncoding:
    """How an encoding lies in memory, and what its quants are.

    `unpack` takes `[rows, stored_blocks, bytes_per_block]` apart; a stored block holds
    `weights_per_block`, and may have several scales in it. Quants lie between `lowest` and
    `highest`; `block_size` weights share a scale.
    """

    weights_per_block: int
    bytes_per_block: int
    block_size: int
    lowest: int
    highest: int
    unpack: Callable[[Bytes], Blocks]

    @property
    def fits_four_bits(self) -> bool:
        return self.highest - self.lowest < 16

    @property
    def bits_stored(self) -> float:
        """Per weight, with all that blocks share."""
        return 8 * self.bytes_per_block / self.weights_per_block

    @property
    def bits_carried(self) -> float:
        """Per weight as a package holds it: 4 or 8, and a float32 or two for each block."""
        has_minimums = self.lowest == 0
        return (4 if self.fits_four_bits else 8) + (2 if has_minimums else 1) * 32 / self.block_size


def float16s(data: Bytes, offset: int) -> Floats:
    """The float16 at byte `offset` of each stored block: float32 `[rows, stored_blocks]`."""
    pairs = np.ascontiguousarray(data[:, :, offset : offset + 2])
    return pairs.view("<f2")[:, :, 0].astype(np.float32)


def nibbles(packed: Bytes, run: int) -> Bytes:
    """Codes of 4 bits in the order of the weights: `[rows, blocks, n]` to `[rows, blocks, 2 * n]`.

    Of every `run` bytes the low nibbles are the first `run` weights, the high ones the next.
    """
    rows, num_blocks, length = packed.shape
    runs = packed.reshape(rows, num_blocks, length // run, 1, run)
    codes = np.empty((rows, num_blocks, length // run, 2, run), np.uint8)
    np.bitwise_and(runs[:, :, :, 0], 0x0F, out=codes[:, :, :, 0])
    np.right_shift(runs[:, :, :, 0], 4, out=codes[:, :, :, 1])
    return codes.reshape(rows, num_blocks, 2 * length)


def pairs_of_bits(packed: Bytes) -> Bytes:
    """Codes of 2 bits in the order of the weights: `[rows, blocks, n]` to `[rows, blocks, 4 * n]`.

    Of every 32 bytes the lowest two bits are the first 32 weights, and so on upwards.
    """
    rows, num_blocks, length = packed.shape
    runs = packed.reshape(rows, num_blocks, length // 32, 1, 32)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    return ((runs >> shifts) & np.uint8(3)).reshape(rows, num_blocks, 4 * length)


def bit_planes(packed: Bytes) -> Bytes:
    """Single bits in the order of the weights, as 0 and 1: `[rows, blocks, 32]` to `[.., 256]`.

    The lowest bits of the 32 bytes are the first 32 weights, and so on upwards.
    """
    shifts = np.arange(8, dtype=np.uint8)[:, None]
    return ((packed[:, :, None, :] >> shifts) & np.uint8(1)).reshape(*packed.shape[:2], 256)


def as_quants(codes: NDArray[np.generic], zero: int = 0) -> NDArray[np.int8]:
    """`codes - zero` as int8, the stored blocks of a row joined: `[rows, cols]`."""
    rows, num_blocks, length = codes.shape
    quants = codes.reshape(rows, num_blocks * length).view(np.int8)
    return quants - np.int8(zero) if zero else quants


def join_blocks(values: Floats) -> Floats:
    """`[rows, stored_blocks, scales_per_block]` to `[rows, blocks_per_row]`."""
    rows, num_blocks, length = values.shape
    return values.reshape(rows, num_blocks * length)
