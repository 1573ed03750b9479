"""How a weight is stored beside what its precision says: in the form a target's kernels want."""

from __future__ import annotations

from dataclasses import dataclass

from export.decoder.appending import append_offsets
from export.decoder.blocks import BlockWeight, Weight
from export.decoder.pairing import pair
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.decoder.widening import in_bytes, widen

WIDENED_HIDDEN_SIZE = 1024
"""Up to here a correction for offsets costs more than reading twice the bytes (on two cores: a
decode step of hidden size 576 is a tenth faster with 8 bits, one of 2048 a third slower)."""

APPENDING_LAYERS = 2
"""The fine weights of every second layer stay in 4 bits, with their offsets appended: a lone
sequence waits for memory and gains by each of them, but sums of inputs cost many sequences and
prompts more than they gain. (On two cores with all of them in 4 bits, one sequence is 8 % faster,
eight are 3 % slower and a prompt is 8 % slower.)"""


@dataclass(frozen=True, slots=True)
class Storing:
    """Chooses among forms of the same numbers, or of next to the same."""

    target: Target
    hidden_size: int
    precision: Precision = Precision.SOURCE

    @property
    def widens(self) -> bool:
        """Whether 4-bit weights with offsets become 8-bit ones: not for who asked for 4 bits."""
        is_small = self.hidden_size <= WIDENED_HIDDEN_SIZE
        return self.target is Target.CPU and is_small and self.precision is not Precision.INT4

    def linear(self, weight: Weight, layer: int, *, is_fine: bool) -> Weight:
        """The weight of a linear of `layer`; if it `is_fine` its blocks stay as small as they
        are."""
        if not (self.widens and isinstance(weight, BlockWeight) and weight.offsets is not None):
            return self.even(weight)
        return self._without_correction(weight, layer, is_fine=is_fine) or widen(weight)

    def _without_correction(
        self, weight: BlockWeight, layer: int, *, is_fine: bool
    ) -> BlockWeight | None:
        if not is_fine:
            return pair(weight)
        return None if layer % APPENDING_LAYERS else append_offsets(weight)

    def even(self, weight: Weight) -> Weight:
        """Any weight; DirectML reads the zero points of a row right behind those of the last,
        where MatMulNBits has each row begin with a byte of its own."""
        if self.target is not Target.DIRECTML or not isinstance(weight, BlockWeight):
            return weight
        is_odd = weight.bits == 4 and weight.scales.shape[1] % 2
        return in_bytes(weight) if is_odd else weight
