from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from export.checkpoints.base import Encoding
from export.decoder.blocks import BlockWeight, carry
from export.decoder.nibbles import unpack_nibbles
from export.decoder.widening import widen
from tests.unit.export.decoder.weights import block_tensor, value_of

Floats = NDArray[np.float32]


def _blocks(scales: Floats, offsets: Floats) -> BlockWeight:
    codes = np.random.default_rng(0).integers(0, 256, (*scales.shape, 16), dtype=np.uint8)
    return BlockWeight(4, 32, codes, scales, offsets)


def _fitted(rows: int = 64, columns: int = 256) -> BlockWeight:
    """Blocks fitted to normal numbers, from their smallest to their largest."""
    values = np.random.default_rng(1).standard_normal((rows, columns // 32, 32)).astype(np.float32)
    low, high = values.min(-1), values.max(-1)
    scales = (high - low) / 15
    return _blocks(scales, low + 8 * scales)


def test_no_number_moves_by_more_than_a_thirty_fourth_of_a_step() -> None:
    weight = _fitted()
    moved = np.abs(value_of(widen(weight)) - value_of(weight)).reshape(64, -1, 32)
    steps = moved / weight.scales[..., None]
    assert steps.max() <= 1 / 34 + 1e-4
    assert steps.mean() <= 1 / 150


def test_distances_within_a_block_are_kept() -> None:
    """Codes and scales keep their values: only the zero of a block moves."""
    weight = _fitted()
    before, after = (value_of(each).reshape(64, -1, 32) for each in (weight, widen(weight)))
    np.testing.assert_allclose(after - after[..., :1], before - before[..., :1], atol=1e-5)


def test_the_form_is_one_that_needs_no_correction() -> None:
    widened = widen(_fitted())
    assert widened.bits == 8
    assert widened.offsets is None
    assert widened.zero_points is not None
    assert widened.zero_points.shape == widened.scales.shape == (64, 8)
    assert widened.codes.shape == (64, 8, 32)


@pytest.mark.parametrize("zero", [0.0, 15.0, 7.5, -3.25, 16.5, 100.0])
def test_zeros_that_are_small_fractions_are_kept_exactly(zero: float) -> None:
    scales = np.full((2, 3), 0.25, np.float32)
    weight = _blocks(scales, (8 - np.float32(zero)) * scales)
    np.testing.assert_allclose(value_of(widen(weight)), value_of(weight), atol=1e-6)


def test_a_flat_block_is_its_offset() -> None:
    """What a scale of zero makes of any codes; ggml writes it for 32 equal numbers."""
    weight = _blocks(
        np.zeros((2, 3), np.float32), np.array([[1.5, -2, 0], [3e-8, 4, 5]], np.float32)
    )
    np.testing.assert_array_equal(value_of(widen(weight)), value_of(weight))


@pytest.mark.parametrize("offset", [1e4, -1e4, np.nan, np.inf])
def test_a_weight_with_a_block_far_from_zero_stays_as_it_is(offset: float) -> None:
    weight = _blocks(np.ones((1, 4), np.float32), np.array([[0, 0, offset, 0]], np.float32))
    with np.errstate(invalid="ignore"):
        assert widen(weight) is weight


def test_every_code_of_a_checkpoint_keeps_its_place() -> None:
    weight = carry(block_tensor(Encoding.Q4_1, (4, 1024)))
    assert isinstance(weight, BlockWeight)
    widened = widen(weight)
    assert widened is not weight
    order = unpack_nibbles(weight.codes).astype(int)
    rises = np.diff(order, axis=-1)
    risen = np.diff(widened.codes.astype(int), axis=-1)
    np.testing.assert_array_equal(np.sign(rises), np.sign(risen))
