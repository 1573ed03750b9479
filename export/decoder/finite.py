"""Weights that a package can hold: finite numbers, within the range of what they are stored in.

What verification reads shows next to nothing of an embedding's rows, so each weight is looked at
where it is stored: blocks by their scales, which show what their codes cannot, others whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import BlockWeight, DenseWeight, Weight
from export.errors import ExportError

_AT_ONCE = 1 << 18
"""Numbers that stay in a processor's cache while they are looked at twice."""

Dtype = np.dtype[np.generic]


def require_storable(tensor: Tensor, weight: Weight, dtype: Dtype) -> None:
    """Raises ExportError, naming `tensor`, where `weight`, which is what it became, holds numbers
    that are not finite, or too large to be computed with in `dtype`."""
    limit = largest_of(dtype)
    if isinstance(weight, DenseWeight):
        is_sound = is_within(weight.values, limit)
    else:
        is_sound = _blocks_are_within(weight, limit)
    if not is_sound:
        raise _wrong(tensor.name, np.isfinite(dequantize(tensor)).all(), _narrower(weight, dtype))


def require_numbers(name: str, values: NDArray[np.generic], dtype: Dtype) -> None:
    """As `require_storable`, of a norm, a bias or the like."""
    if not is_within(values, largest_of(dtype)):
        raise _wrong(name, is_within(values), dtype)


def is_within(values: NDArray[np.generic], limit: float = np.inf) -> bool:
    """Whether all of `values`, floats of any width, are finite and none is larger than `limit`.

    The bits of floats without their sign are in the order of the numbers, those that are none
    behind all others: so the largest integers tell, exactly and without a copy.
    """
    largest = np.array(min(limit, largest_of(values.dtype)), values.dtype)
    width = values.dtype.itemsize
    # Where the limit is between two numbers of this width, it may be the upper that is nearer.
    highest = int(largest.view(f"u{width}")) - (float(largest) > limit)
    lowest = highest | 1 << (8 * width - 1)
    flat = values.reshape(-1)
    for start in range(0, flat.size, _AT_ONCE):
        part = flat[start : start + _AT_ONCE]
        if part.view(f"i{width}").max() > highest or part.view(f"u{width}").max() > lowest:
            return False
    return True


def largest_of(dtype: Dtype) -> float:
    """The largest finite number; its bits come right before infinity's."""
    bits = np.array(np.inf, dtype).view(f"u{dtype.itemsize}")
    return float((bits - bits.dtype.type(1)).view(dtype))


def _blocks_are_within(weight: BlockWeight, limit: float) -> bool:
    """The extreme number of a block without a zero point is half the codes times its scale."""
    steps = 1 if weight.zero_points is not None else 1 << (weight.bits - 1)
    return is_within(weight.scales, limit / steps) and (
        weight.offsets is None or is_within(weight.offsets, limit)
    )


def _narrower(weight: Weight, dtype: Dtype) -> Dtype:
    """What sets the limit."""
    if isinstance(weight, DenseWeight) and weight.values.dtype.itemsize < dtype.itemsize:
        return weight.values.dtype
    return dtype


def _wrong(name: str, is_finite: object, dtype: Dtype) -> ExportError:
    if not is_finite:
        return ExportError(f"{name} holds numbers that are not finite: the weights are damaged")
    return ExportError(f"{name} holds numbers above {largest_of(dtype):g}, the largest of {dtype}")
