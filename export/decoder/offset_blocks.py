"""Offsets as further 4-bit blocks of their weight, whose inputs are sums.

A block's offset counts once for each of its inputs: it multiplies their sum. With the sums behind
the inputs, offsets are weights like all others, and one product computes both. An offset takes two
codes, a high digit and a low one of a sixteenth of its step, each with the same sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.decoder.nibbles import pack_nibbles, unpack_nibbles

_ZERO = 8
_DIGIT = 16

_LARGEST = 7 * _DIGIT + 7
"""In low steps: 7 in both digits."""


@dataclass(frozen=True, slots=True)
class OffsetBlocks:
    """Offsets `[N, blocks]`, each the sum of its digits, `scale * (code - 8)`.

    - `codes`: uint8 `[N, 2 * C, block_size / 2]`: C blocks of high digits and C of low ones, zeros
      behind the last of each
    - `scales`: float32 `[N, 2 * C]`
    """

    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]

    @property
    def low_steps(self) -> NDArray[np.float32]:
        """`[N, C]`: offsets are rounded to multiples of them."""
        return self.scales[:, self.scales.shape[1] // 2 :]

    def values(self, num_blocks: int) -> NDArray[np.float32]:
        """The first `num_blocks` offsets, `[N, num_blocks]`."""
        digits = (unpack_nibbles(self.codes).astype(np.float32) - _ZERO) * self.scales[..., None]
        high, low = np.split(digits.reshape(len(digits), -1), 2, axis=1)
        offsets: NDArray[np.float32] = (high + low)[:, :num_blocks]
        return offsets


def encode_offsets(offsets: NDArray[np.float32], block_size: int) -> OffsetBlocks:
    """`offsets` `[N, blocks]`, each within half a low step of its block."""
    num_blocks = offsets.shape[1]
    padded = np.pad(offsets, ((0, 0), (0, -num_blocks % block_size)))
    blocks = padded.reshape(len(offsets), -1, block_size)
    steps = np.abs(blocks).max(-1) / np.float32(_LARGEST)
    per_code = steps[..., None]
    in_steps = np.rint(np.divide(blocks, per_code, out=np.zeros_like(blocks), where=per_code != 0))
    high, low = np.divmod(in_steps + _ZERO, _DIGIT)
    digits = np.concatenate([high + _ZERO, low], axis=1)
    scales = np.concatenate([steps * np.float32(_DIGIT), steps], axis=1)
    return OffsetBlocks(pack_nibbles(digits.astype(np.uint8)), scales)


def stack_offsets(parts: Sequence[OffsetBlocks]) -> OffsetBlocks:
    """The offsets of weights over the same inputs, their rows below each other."""
    return OffsetBlocks(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.scales for part in parts]),
    )


def summing(num_blocks: int, block_size: int) -> NDArray[np.float32]:
    """What inputs are multiplied with for the sums that the codes belong to:
    `[num_blocks * block_size, 2 * C * block_size]`, of ones and zeros."""
    columns = -(-num_blocks // block_size) * block_size
    once = np.repeat(np.eye(num_blocks, columns, dtype=np.float32), block_size, axis=0)
    return np.tile(once, 2)
