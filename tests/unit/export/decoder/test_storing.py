from __future__ import annotations

import pytest

from export.checkpoints.base import Encoding
from export.decoder.blocks import BlockWeight, Weight, carry
from export.decoder.inventory import form_of
from export.decoder.precision import Precision
from export.decoder.storing import WIDENED_HIDDEN_SIZE, Storing
from export.decoder.target import Target
from tests.unit.export.decoder.weights import block_tensor, dense_tensor

SMALL = Storing(Target.CPU, 576)


def _q4_1(columns: int = 576) -> Weight:
    return carry(block_tensor(Encoding.Q4_1, (16, columns)))


@pytest.mark.parametrize(
    ("layer", "is_fine", "form"),
    [
        (0, True, "4-bit blocks of 32 with offsets in 8 bits"),
        (1, True, "8-bit blocks of 32 with zero points"),
        (2, True, "4-bit blocks of 32 with offsets in 8 bits"),
        (0, False, "8-bit blocks of 64 with zero points"),
        (1, False, "8-bit blocks of 64 with zero points"),
    ],
)
def test_no_weight_of_a_small_model_needs_a_correction(
    layer: int, is_fine: bool, form: str
) -> None:
    assert form_of(SMALL.linear(_q4_1(), layer, is_fine=is_fine)) == form


@pytest.mark.parametrize("is_fine", [True, False])
def test_what_can_be_neither_paired_nor_appended_is_widened(is_fine: bool) -> None:
    weight = _with_offsets_times(20, 96)
    form = form_of(SMALL.linear(weight, 0, is_fine=is_fine))
    assert form == "8-bit blocks of 32 with zero points"


@pytest.mark.parametrize("is_fine", [True, False])
def test_what_lies_too_far_from_zero_keeps_its_blocks(is_fine: bool) -> None:
    weight = _with_offsets_times(1000, 96)
    assert SMALL.linear(weight, 0, is_fine=is_fine) is weight


def _with_offsets_times(factor: float, columns: int) -> BlockWeight:
    """Those of every row's second block, so that its offsets are unlike."""
    weight = _q4_1(columns)
    assert isinstance(weight, BlockWeight)
    assert weight.offsets is not None
    weight.offsets[:, 1] *= factor
    return weight


@pytest.mark.parametrize(
    "storing",
    [
        Storing(Target.CPU, WIDENED_HIDDEN_SIZE + 1),
        Storing(Target.CPU, 576, Precision.INT4),
        Storing(Target.CUDA, 576),
    ],
)
@pytest.mark.parametrize("is_fine", [True, False])
def test_others_keep_their_blocks(storing: Storing, is_fine: bool) -> None:
    weight = _q4_1()
    assert storing.linear(weight, 0, is_fine=is_fine) is weight


@pytest.mark.parametrize("is_fine", [True, False])
def test_weights_without_offsets_stay_as_they_are(is_fine: bool) -> None:
    for weight in (carry(dense_tensor((8, 64))), carry(block_tensor(Encoding.Q4_0, (8, 64)))):
        assert SMALL.linear(weight, 0, is_fine=is_fine) is weight
