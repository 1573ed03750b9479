"""What became of a checkpoint's matrices: how each was stored there and is in the package."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import DenseWeight, Weight, numbers_of
from service.store.manifest import StoredWeights

_ROWS_COMPARED = 4


@dataclass(frozen=True, slots=True)
class Fate:
    """One way that matrices go: from an encoding into a form, the same numbers or not."""

    encoding: str
    form: str
    is_lossless: bool


@dataclass(frozen=True, slots=True)
class Inventory:
    """Counts matrices as they are stored."""

    fates: Counter[Fate] = field(default_factory=Counter)

    def add(self, tensor: Tensor, weight: Weight) -> None:
        """Records that `weight` is what `tensor` became."""
        fate = Fate(tensor.encoding.name, form_of(weight), is_lossless(tensor, weight))
        self.fates[fate] += 1

    def for_manifest(self) -> tuple[StoredWeights, ...]:
        """The most frequent first."""
        return tuple(
            StoredWeights(
                encoding=fate.encoding, tensors=count, form=fate.form, lossless=fate.is_lossless
            )
            for fate, count in self.fates.most_common()
        )

    def for_people(self) -> str:
        """One line: "210 matrices of Q4_1 in 4-bit blocks of 32, without loss; ..."."""
        return "; ".join(
            f"{count} {'matrix' if count == 1 else 'matrices'} of {fate.encoding} in {fate.form}, "
            f"{'without loss' if fate.is_lossless else 'rounded'}"
            for fate, count in self.fates.most_common()
        )


def form_of(weight: Weight) -> str:
    """The form in words."""
    if isinstance(weight, DenseWeight):
        return str(weight.values.dtype)
    extras = {
        "offsets": weight.offsets is not None,
        "offsets in 8 bits": weight.offset_blocks is not None,
        "zero points": weight.zero_points is not None,
    }
    named = " and ".join(name for name, is_there in extras.items() if is_there)
    blocks = f"{weight.bits}-bit blocks of {weight.block_size}"
    return f"{blocks} with {named}" if named else blocks


def is_lossless(tensor: Tensor, weight: Weight) -> bool:
    """Whether the first rows stand for the same numbers, up to the rounding of float32."""
    rows = slice(0, _ROWS_COMPARED)
    expected = dequantize(tensor, rows)
    with np.errstate(all="ignore"):
        kept = _numbers(weight, rows)
        largest = np.abs(expected).max(initial=0)
        return bool((np.abs(kept - expected) <= largest * 2**-22).all())


def _numbers(weight: Weight, rows: slice) -> NDArray[np.float32]:
    if isinstance(weight, DenseWeight):
        return weight.values[rows].astype(np.float32)
    values = numbers_of(weight, rows)
    if weight.order is None:
        return values
    in_order = np.empty_like(values)
    in_order[:, weight.order] = values
    return in_order
