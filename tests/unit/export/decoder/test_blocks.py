from __future__ import annotations

import numpy as np
import pytest

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import (
    BlockWeight,
    DenseWeight,
    carry,
    densify,
    fitting_block_size,
    quantize,
    stack,
)
from tests.unit.export.decoder.tiny import f32
from tests.unit.export.decoder.weights import (
    BLOCK_ENCODINGS,
    block_tensor,
    dense_tensor,
    value_of,
)

DENSE_ENCODINGS = (Encoding.F32, Encoding.F16, Encoding.BF16)
SHAPE = (24, 96)


def _tensor(encoding: Encoding) -> Tensor:
    return block_tensor(encoding, SHAPE) if encoding.is_block else dense_tensor(SHAPE, encoding)


@pytest.mark.parametrize("encoding", [*DENSE_ENCODINGS, Encoding.Q8_0, Encoding.Q4_0])
def test_carrying_changes_no_bit(encoding: Encoding) -> None:
    tensor = _tensor(encoding)
    carried = carry(tensor)
    assert carried.shape == SHAPE
    np.testing.assert_array_equal(value_of(carried), dequantize(tensor))


def test_carrying_q4_1_rounds_no_more_than_the_sum_of_its_offset() -> None:
    """`q * scale + minimum` becomes `(q - 8) * scale + (minimum + 8 * scale)`."""
    tensor = block_tensor(Encoding.Q4_1, SHAPE)
    carried = carry(tensor)
    assert isinstance(carried, BlockWeight)
    assert carried.offsets is not None
    largest = np.abs(carried.scales * 8).max() + np.abs(carried.offsets).max()
    difference = np.abs(value_of(carried) - dequantize(tensor)).max()
    assert difference <= 2 * np.spacing(np.float32(largest))


@pytest.mark.parametrize("encoding", BLOCK_ENCODINGS)
def test_every_code_is_carried(encoding: Encoding) -> None:
    """Among them Q8_0's -128, which ggml itself never writes."""
    tensor = block_tensor(encoding, (1, 32 * 64))
    carried = carry(tensor)
    assert isinstance(carried, BlockWeight)
    codes = carried.codes
    used = np.unique(codes) if carried.bits == 8 else np.unique([codes & 15, codes >> 4])
    assert len(used) == 1 << carried.bits


@pytest.mark.parametrize("encoding", BLOCK_ENCODINGS)
def test_carried_arrays_have_the_shapes_that_the_operator_wants(encoding: Encoding) -> None:
    carried = carry(block_tensor(encoding, SHAPE))
    assert isinstance(carried, BlockWeight)
    assert carried.codes.shape == (24, 3, 32 * carried.bits // 8)
    assert carried.codes.dtype == np.uint8
    assert carried.scales.shape == (24, 3)
    assert carried.scales.dtype == np.float32
    assert (carried.offsets is None) == (encoding is not Encoding.Q4_1)


@pytest.mark.parametrize("encoding", [*DENSE_ENCODINGS, *BLOCK_ENCODINGS])
def test_densifying_gives_the_numbers_themselves(encoding: Encoding) -> None:
    tensor = _tensor(encoding)
    whole, half = densify(tensor, np.float32), densify(tensor, np.float16)
    np.testing.assert_array_equal(whole.values, dequantize(tensor))
    assert half.values.dtype == np.float16
    np.testing.assert_allclose(value_of(half), dequantize(tensor), rtol=1e-3, atol=1e-6)


def test_what_a_half_cannot_hold_becomes_infinite_without_a_warning() -> None:
    half = densify(f32("large", np.array([[1e6, -1e6]])), np.float16)
    np.testing.assert_array_equal(half.values, [[np.inf, -np.inf]])


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("block_size", [16, 32, 64])
@pytest.mark.parametrize("encoding", [Encoding.F32, Encoding.BF16, Encoding.Q8_0])
def test_rounding_costs_half_a_step_or_one_where_it_clips(
    bits: int, block_size: int, encoding: Encoding
) -> None:
    shape = (24, 128)
    tensor = block_tensor(encoding, shape) if encoding.is_block else dense_tensor(shape, encoding)
    quantized = quantize(tensor, 4 if bits == 4 else 8, block_size)
    error = np.abs(value_of(quantized) - dequantize(tensor)).reshape(24, -1, block_size)
    step = np.abs(quantized.scales)[..., None]
    clipped = np.abs(value_of(quantized)).reshape(error.shape) > step * ((1 << (bits - 1)) - 1.01)
    assert (error <= step * np.where(clipped, 1.0, 0.5) * 1.001).all()


def test_the_largest_magnitude_of_a_block_is_kept_exactly() -> None:
    tensor = dense_tensor((8, 64))
    values = dequantize(tensor).reshape(8, 2, 32)
    quantized = value_of(quantize(tensor, 4, 32)).reshape(8, 2, 32)
    at = np.abs(values).argmax(-1)[..., None]
    kept = np.take_along_axis(quantized, at, -1)
    np.testing.assert_allclose(kept, np.take_along_axis(values, at, -1), rtol=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
def test_zeros_stay_zeros(bits: int) -> None:
    quantized = quantize(f32("zeros", np.zeros((2, 64))), 4 if bits == 4 else 8, 32)
    assert not value_of(quantized).any()


@pytest.mark.parametrize("size", [1e-45, 1e-41, 1e-38, 1e30])
def test_extreme_magnitudes_are_neither_lost_nor_warned_of(size: float) -> None:
    values = (np.random.default_rng(0).uniform(-1, 1, (2, 64)) * size).astype(np.float32)
    quantized = value_of(quantize(f32("extreme", values), 8, 32))
    np.testing.assert_allclose(quantized, values, atol=max(size / 100, 3e-43))


def test_a_large_tensor_is_quantized_as_if_in_one_piece() -> None:
    """Done in slices of rows; their seams must not show."""
    tensor = dense_tensor((33, 1 << 18))
    whole = quantize(tensor, 8, 64)
    assert whole.shape == tensor.shape
    last = quantize(f32("last", dequantize(tensor, slice(32, 33))), 8, 64)
    np.testing.assert_array_equal(whole.codes[32:], last.codes)
    np.testing.assert_array_equal(whole.scales[32:], last.scales)


@pytest.mark.parametrize(
    ("num_inputs", "expected"),
    [(64, 64), (576, 64), (96, 32), (48, 16), (1536, 64), (40, None), (17, None), (8, None)],
)
def test_the_block_size_divides_the_inputs(num_inputs: int, expected: int | None) -> None:
    assert fitting_block_size(num_inputs, 64) == expected


@pytest.mark.parametrize("encoding", BLOCK_ENCODINGS)
def test_stacked_rows_are_the_rows_of_each(encoding: Encoding) -> None:
    parts = [carry(block_tensor(encoding, (rows, 64), seed=rows)) for rows in (3, 5)]
    blocks = [part for part in parts if isinstance(part, BlockWeight)]
    np.testing.assert_array_equal(
        value_of(stack(blocks)), np.concatenate([value_of(part) for part in blocks])
    )


def test_a_dense_weight_tells_its_shape() -> None:
    assert DenseWeight(np.zeros((3, 5), np.float16)).shape == (3, 5)
