from __future__ import annotations

import numpy as np
import pytest

from export.decoder.blocks import BlockWeight
from export.decoder.pairing import pair
from tests.unit.export.decoder.weights import value_of


def _fitted(spread: float = 1.0, shift: float = 0.0, blocks: int = 8) -> BlockWeight:
    """Blocks fitted to normal numbers; every second one's are `spread` times as large."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((64, blocks, 32)).astype(np.float32) + np.float32(shift)
    values[:, 1::2] *= np.float32(spread)
    low, high = values.min(-1), values.max(-1)
    scales = (high - low) / 15
    codes = rng.integers(0, 256, (64, blocks, 16), dtype=np.uint8)
    return BlockWeight(4, 32, codes, scales, low + 8 * scales)


@pytest.mark.parametrize("shift", [0.0, 1.0, -1.0])
def test_numbers_move_by_a_fraction_of_a_step_of_four_bits(shift: float) -> None:
    weight = _fitted(shift=shift)
    paired = pair(weight)
    assert paired is not None
    moved = np.abs(value_of(paired) - value_of(weight)).reshape(64, -1, 32)
    noise = np.square(moved).mean() / (np.square(weight.scales).mean() / 12)
    assert noise <= 0.01
    assert moved.max() <= paired.scales.max() * 0.51


def test_the_form_has_half_the_scales_and_needs_no_correction() -> None:
    paired = pair(_fitted())
    assert paired is not None
    assert (paired.bits, paired.block_size, paired.offsets) == (8, 64, None)
    assert paired.codes.shape == (64, 4, 64)
    assert paired.zero_points is not None
    assert paired.scales.shape == paired.zero_points.shape == (64, 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_of_one_sign_are_kept_with_the_zero_at_an_end(sign: int) -> None:
    scales = np.full((2, 2), 0.25, np.float32)
    codes = np.random.default_rng(0).integers(0, 256, (2, 2, 16), dtype=np.uint8)
    weight = BlockWeight(4, 32, codes, scales, sign * np.float32(2.5) + 0 * scales)
    paired = pair(weight)
    assert paired is not None
    np.testing.assert_allclose(value_of(paired), value_of(weight), atol=0.25 / 20)


def test_zeros_stay_zeros() -> None:
    weight = BlockWeight(
        4,
        32,
        np.full((1, 2, 16), 0x88, np.uint8),
        np.ones((1, 2), np.float32),
        np.zeros((1, 2), np.float32),
    )
    paired = pair(weight)
    assert paired is not None
    np.testing.assert_array_equal(value_of(paired), np.zeros((1, 64)))


def test_unlike_blocks_are_not_paired() -> None:
    """The scale of the larger would drown the numbers of the smaller."""
    far = _fitted(shift=40.0)
    assert pair(far) is None


def test_an_odd_number_of_blocks_is_not_paired() -> None:
    assert pair(_fitted(blocks=7)) is None


@pytest.mark.parametrize("offset", [np.nan, np.inf])
def test_numbers_that_are_none_are_not_paired(offset: float) -> None:
    weight = BlockWeight(
        4,
        32,
        np.zeros((1, 2, 16), np.uint8),
        np.ones((1, 2), np.float32),
        np.array([[0, offset]], np.float32),
    )
    with np.errstate(invalid="ignore"):
        assert pair(weight) is None
