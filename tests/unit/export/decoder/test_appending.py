from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from export.checkpoints.base import Encoding
from export.decoder.appending import append_offsets
from export.decoder.blocks import BlockWeight, carry
from tests.unit.export.decoder.weights import block_tensor, value_of


def _carried() -> BlockWeight:
    weight = carry(block_tensor(Encoding.Q4_1, (24, 576)))
    assert isinstance(weight, BlockWeight)
    return weight


def test_codes_stay_and_numbers_move_by_a_fraction_of_a_step() -> None:
    weight = _carried()
    appended = append_offsets(weight)
    assert appended is not None
    assert appended.codes is weight.codes
    assert appended.offsets is None
    assert appended.shape == weight.shape
    moved = np.abs(value_of(appended) - value_of(weight)).reshape(24, 18, 32)
    assert np.square(moved).mean() <= 0.01 * np.square(weight.scales).mean() / 12


def test_offsets_too_unlike_for_one_scale_are_not_appended() -> None:
    """The largest would drown the others."""
    weight = _carried()
    assert weight.offsets is not None
    offsets = weight.offsets.copy()
    offsets[:, 3] *= 100
    assert append_offsets(replace(weight, offsets=offsets)) is None


@pytest.mark.parametrize("encoding", [Encoding.Q4_0, Encoding.Q8_0])
def test_what_has_no_offsets_is_left_alone(encoding: Encoding) -> None:
    weight = carry(block_tensor(encoding, (8, 64)))
    assert isinstance(weight, BlockWeight)
    assert append_offsets(weight) is None


@pytest.mark.parametrize("offset", [np.nan, np.inf])
def test_numbers_that_are_none_are_not_appended(offset: float) -> None:
    weight = _carried()
    with np.errstate(invalid="ignore"):
        assert append_offsets(replace(weight, offsets=np.full((24, 18), offset))) is None
