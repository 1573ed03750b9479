"""Blocks of 4 bits: what the search finds is never worse than plain rounding, and mostly better."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import quantize, quantize_by_search
from export.decoder.searching import Fitted, fit
from tests.unit.export.decoder.tiny import f32
from tests.unit.export.decoder.weights import dense_tensor, value_of

Floats = NDArray[np.float32]


def _blocks(kind: str) -> Floats:
    generator = np.random.default_rng(0)
    shape = (64, 8, 32)
    drawn = {
        "normal": generator.standard_normal(shape),
        "heavy-tailed": generator.standard_t(4, shape),
        "uniform": generator.uniform(-1, 1, shape),
        "one-sided": generator.uniform(1, 2, shape),
    }
    return drawn[kind].astype(np.float32)


def _values(fitted: Fitted) -> Floats:
    centred = fitted.codes.astype(np.float32) - fitted.zero_points[..., None]
    values: Floats = centred * fitted.scales[..., None]
    return values


def _plain(blocks: Floats) -> Floats:
    """Rounding to the nearest of 16 numbers from the smallest to the largest."""
    low = np.minimum(blocks.min(-1, keepdims=True), 0)
    high = np.maximum(blocks.max(-1, keepdims=True), 0)
    scales = (high - low) / 15
    zeros = np.rint(-low / scales)
    values: Floats = (np.clip(np.rint(blocks / scales) + zeros, 0, 15) - zeros) * scales
    return values


def _errors(values: Floats, blocks: Floats) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = np.square((values - blocks).astype(np.float64)).sum(-1)
    return errors


@pytest.mark.parametrize("kind", ["normal", "heavy-tailed", "uniform", "one-sided"])
def test_no_block_is_worse_than_plainly_rounded_and_most_are_better(kind: str) -> None:
    blocks = _blocks(kind)
    searched, plain = (_errors(values, blocks) for values in (_values(fit(blocks)), _plain(blocks)))
    assert (searched <= plain * 1.0001).all()
    assert searched.sum() < 0.95 * plain.sum()


def test_a_sixth_less_error_than_symmetric_rounding() -> None:
    tensor = dense_tensor((64, 256))
    values = dequantize(tensor)
    searched, symmetric = (
        float(np.square(value_of(weight) - values).sum())
        for weight in (quantize_by_search(tensor, 32), quantize(tensor, 4, 32))
    )
    assert searched < symmetric * 5 / 6


def test_numbers_that_codes_can_hold_are_found_exactly() -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 16, (16, 4, 32))
    codes[..., 0], codes[..., 1] = 0, 15
    zeros = generator.integers(0, 16, (16, 4, 1))
    scales = generator.uniform(0.01, 1, (16, 4, 1))
    blocks = ((codes - zeros) * scales).astype(np.float32)
    np.testing.assert_allclose(_values(fit(blocks)), blocks, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-40, 1e30])
def test_a_block_of_one_number_is_that_number(value: float) -> None:
    blocks = np.full((2, 3, 32), value, np.float32)
    np.testing.assert_allclose(_values(fit(blocks)), blocks, rtol=1e-6, atol=1e-38)


def test_codes_and_zero_points_are_of_four_bits() -> None:
    fitted = fit(_blocks("one-sided"))
    assert fitted.codes.max() <= 15
    assert fitted.zero_points.max() <= 15
    assert fitted.codes.dtype == fitted.zero_points.dtype == np.uint8


def test_a_large_tensor_is_searched_as_if_in_one_piece() -> None:
    """Done in slices of rows; their seams must not show."""
    tensor = dense_tensor((20, 1 << 16))
    whole = quantize_by_search(tensor, 32)
    last = quantize_by_search(f32("last", dequantize(tensor, slice(19, 20))), 32)
    assert whole.zero_points is not None
    np.testing.assert_array_equal(whole.codes[19:], last.codes)
    np.testing.assert_array_equal(whole.scales[19:], last.scales)
    np.testing.assert_array_equal(whole.zero_points[19:], last.zero_points)
