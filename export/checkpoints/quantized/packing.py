"""Codes of 4 or 8 bits in words of 32, lowest bits first."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Groups, Tensor
from export.errors import ExportError

Bits = Literal[4, 8]
Codes = NDArray[np.uint8]


def unpack_columns(words: NDArray[np.generic], bits: Bits) -> Codes:
    """`[R, C]` words to `[R, C * 32 / bits]` codes."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    if bits == 8:
        return octets
    codes = np.empty((*octets.shape, 2), np.uint8)
    np.bitwise_and(octets, 15, out=codes[..., 0])
    np.right_shift(octets, 4, out=codes[..., 1])
    return codes.reshape(len(octets), -1)


def unpack_rows(words: NDArray[np.generic], bits: Bits) -> Codes:
    """`[R, C]` words, each of which goes down a column, to the codes transposed:
    `[C, R * 32 / bits]`."""
    return unpack_columns(words.T, bits)


def grouped(
    name: str,
    codes: Codes,
    bits: Bits,
    scales: NDArray[np.float32],
    zeros: Codes | None,
    group_of: NDArray[np.generic] | None = None,
) -> Tensor:
    """The weight of `codes` `[N, K]`, `scales` and `zeros` `[N, G]`, `group_of` `[K]` being the
    group of each input where that is not simply its position by the size of a group.

    Raises ExportError where they do not fit together.
    """
    num_outputs, num_inputs = codes.shape
    num_groups = scales.shape[1]
    size = num_inputs // max(num_groups, 1)
    fits = scales.shape[0] == num_outputs and size and size * num_groups == num_inputs
    if not fits or (zeros is not None and zeros.shape != scales.shape):
        raise ExportError(
            f"{name}: scales {list(scales.shape)} and "
            f"zeros {'of none' if zeros is None else list(zeros.shape)} do not fit a weight of "
            f"{list(codes.shape)}"
        )
    order = None if group_of is None else _order(name, group_of, num_groups, size)
    if order is not None:
        codes = codes[:, order]
    if zeros is not None and (zeros == 1 << (bits - 1)).all():
        zeros = None
    groups = Groups(bits, size, scales, zeros, order)
    return Tensor(name, Encoding.GROUPED, (num_outputs, num_inputs), codes, groups)


def _order(
    name: str, group_of: NDArray[np.generic], num_groups: int, size: int
) -> NDArray[np.int64] | None:
    """The inputs group by group; None where they lie so already."""
    numbers = group_of.astype(np.int64)
    if np.array_equal(numbers, np.arange(num_groups * size) // size):
        return None
    in_range = len(numbers) == num_groups * size and numbers.min() >= 0
    if not in_range or (np.bincount(numbers, minlength=num_groups) != size).any():
        raise ExportError(f"{name}: its g_idx does not say groups of {size} inputs each")
    return np.argsort(numbers, kind="stable")
