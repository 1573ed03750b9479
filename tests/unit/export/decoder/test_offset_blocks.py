from __future__ import annotations

import numpy as np
import pytest

from export.decoder.offset_blocks import encode_offsets, stack_offsets, summing


def _offsets(rows: int, num_blocks: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(num_blocks).standard_normal((rows, num_blocks)).astype(np.float32)


@pytest.mark.parametrize("num_blocks", [1, 18, 32, 33, 64])
def test_offsets_keep_eight_bits_of_the_largest_of_their_block(num_blocks: int) -> None:
    offsets = _offsets(16, num_blocks)
    blocks = encode_offsets(offsets, 32)
    columns = -(-num_blocks // 32)
    assert blocks.codes.shape == (16, 2 * columns, 16)
    assert blocks.scales.shape == (16, 2 * columns)
    moved = np.abs(blocks.values(num_blocks) - offsets)
    for column in range(columns):
        own = slice(32 * column, 32 * (column + 1))
        largest = np.abs(offsets[:, own]).max(-1, keepdims=True)
        assert (moved[:, own] <= largest / 119 / 2 * 1.01).all()


@pytest.mark.parametrize("largest", [-1.0, 1.0])
def test_the_largest_is_within_the_codes_whatever_its_sign(largest: float) -> None:
    offsets = np.array([[largest, 0.5, -0.25, 0.0]], np.float32)
    values = encode_offsets(offsets, 16).values(4)
    np.testing.assert_allclose(values, offsets, atol=1 / 119 / 2)


def test_rows_without_offsets_stay_without() -> None:
    blocks = encode_offsets(np.zeros((2, 3), np.float32), 32)
    np.testing.assert_array_equal(blocks.values(3), np.zeros((2, 3)))
    assert np.isfinite(blocks.scales).all()


def test_stacked_rows_keep_their_offsets() -> None:
    parts = [encode_offsets(_offsets(rows, 18), 32) for rows in (3, 5)]
    expected = np.concatenate([part.values(18) for part in parts])
    np.testing.assert_array_equal(stack_offsets(parts).values(18), expected)


@pytest.mark.parametrize("num_blocks", [2, 18, 40])
def test_sums_are_those_of_each_block_once_for_each_digit(num_blocks: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, num_blocks * 32)).astype(np.float32)
    sums = np.split(x @ summing(num_blocks, 32), 2, axis=-1)
    expected = x.reshape(3, num_blocks, 32).sum(-1)
    for once in sums:
        np.testing.assert_allclose(once[:, :num_blocks], expected, rtol=1e-4, atol=1e-5)
        assert not once[:, num_blocks:].any()
