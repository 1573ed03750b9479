from __future__ import annotations

import numpy as np
import pytest

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import BlockWeight, DenseWeight
from export.decoder.precision import Precision
from tests.unit.export.decoder.weights import block_tensor, dense_tensor, value_of

SHAPE = (16, 128)
TENSORS = [dense_tensor(SHAPE, Encoding.F16), block_tensor(Encoding.Q4_1, SHAPE)]


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda tensor: tensor.name)
@pytest.mark.parametrize(
    ("precision", "linear", "vocabulary"),
    [(Precision.INT4, (4, 32), (8, 64)), (Precision.INT8, (8, 64), (8, 64))],
)
def test_integers_are_blocks_of_a_width_and_a_size(
    tensor: Tensor,
    precision: Precision,
    linear: tuple[int, int],
    vocabulary: tuple[int, int],
) -> None:
    for weight, expected in (
        (precision.linear(tensor), linear),
        (precision.vocabulary(tensor), vocabulary),
    ):
        assert isinstance(weight, BlockWeight)
        assert (weight.bits, weight.block_size) == expected


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda tensor: tensor.name)
@pytest.mark.parametrize(
    ("precision", "dtype"), [(Precision.FP16, np.float16), (Precision.FP32, np.float32)]
)
def test_floats_are_dense(tensor: Tensor, precision: Precision, dtype: type[np.generic]) -> None:
    for weight in (precision.linear(tensor), precision.vocabulary(tensor)):
        assert isinstance(weight, DenseWeight)
        assert weight.values.dtype == dtype


def test_four_bits_are_not_rounded_to_four_bits() -> None:
    tensor = block_tensor(Encoding.Q4_1, SHAPE)
    for is_sensitive in (False, True):
        weight = Precision.INT4.linear(tensor, is_sensitive=is_sensitive)
        np.testing.assert_allclose(value_of(weight), dequantize(tensor), rtol=0, atol=1e-7)


def test_sensitive_linears_have_eight_bits_among_those_of_four() -> None:
    for tensor in (dense_tensor(SHAPE), block_tensor(Encoding.Q8_0, SHAPE)):
        weight = Precision.INT4.linear(tensor, is_sensitive=True)
        assert isinstance(weight, BlockWeight)
        assert (weight.bits, weight.block_size) == (8, 64)


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda tensor: tensor.name)
def test_source_keeps_what_is_stored(tensor: Tensor) -> None:
    for weight in (Precision.SOURCE.linear(tensor), Precision.SOURCE.vocabulary(tensor)):
        np.testing.assert_allclose(value_of(weight), dequantize(tensor), rtol=0, atol=1e-7)
        assert isinstance(weight, BlockWeight) == tensor.encoding.is_block


@pytest.mark.parametrize("precision", [Precision.INT4, Precision.INT8])
@pytest.mark.parametrize("num_inputs", [40, 17, 8])
def test_inputs_that_no_block_divides_stay_exact(precision: Precision, num_inputs: int) -> None:
    tensor = dense_tensor((6, num_inputs))
    np.testing.assert_array_equal(value_of(precision.linear(tensor)), dequantize(tensor))


@pytest.mark.parametrize("precision", [p for p in Precision if p is not Precision.SOURCE])
def test_the_estimate_of_the_size_is_never_too_small(precision: Precision) -> None:
    assert precision.bits_per_weight is not None
    weight = precision.linear(dense_tensor(SHAPE))
    if isinstance(weight, DenseWeight):
        num_bytes = weight.values.nbytes
    else:
        num_bytes = weight.codes.nbytes + weight.scales.nbytes
    assert num_bytes * 8 <= precision.bits_per_weight * SHAPE[0] * SHAPE[1]


def test_the_source_alone_knows_its_size() -> None:
    assert Precision.SOURCE.bits_per_weight is None
