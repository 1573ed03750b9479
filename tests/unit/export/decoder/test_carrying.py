"""Every block encoding of a checkpoint in the blocks that MatMulNBits and its like compute with."""

from __future__ import annotations

import numpy as np
import pytest

from export.checkpoints.base import Encoding
from export.checkpoints.dequantize import dequantize
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from export.decoder.blocks import BlockWeight, carry
from tests.unit.export.checkpoints.ggml.golden_blocks import golden_tensor
from tests.unit.export.decoder.weights import value_of

SUMS = (Encoding.Q4_1, Encoding.Q4_K)
"""Their codes fill four bits from zero up, so that the offset takes in 8 scales, rounded once."""

FORMS = {
    Encoding.Q8_0: (8, 32, False),
    Encoding.Q4_0: (4, 32, False),
    Encoding.Q4_1: (4, 32, True),
    Encoding.Q5_0: (8, 32, False),
    Encoding.Q5_1: (8, 32, True),
    Encoding.IQ4_NL: (8, 32, False),
    Encoding.IQ4_XS: (8, 32, False),
    Encoding.MXFP4: (8, 32, False),
    Encoding.Q2_K: (4, 16, True),
    Encoding.Q3_K: (4, 16, False),
    Encoding.Q4_K: (4, 32, True),
    Encoding.Q5_K: (8, 32, True),
    Encoding.Q6_K: (8, 16, False),
}


def carried(encoding: Encoding) -> BlockWeight:
    weight = carry(golden_tensor(encoding))
    assert isinstance(weight, BlockWeight)
    return weight


@pytest.mark.parametrize("encoding", [e for e in BLOCK_ENCODINGS if e not in SUMS])
def test_no_bit_changes(encoding: Encoding) -> None:
    expected = dequantize(golden_tensor(encoding))
    np.testing.assert_array_equal(value_of(carried(encoding)), expected)


@pytest.mark.parametrize("encoding", SUMS)
def test_an_offset_that_is_a_sum_is_rounded_once(encoding: Encoding) -> None:
    weight = carried(encoding)
    assert weight.offsets is not None
    terms = np.abs(8 * weight.scales) + np.abs(weight.offsets)
    differences = np.abs(value_of(weight) - dequantize(golden_tensor(encoding)))
    in_blocks = differences.reshape(*weight.scales.shape, weight.block_size)
    assert (in_blocks <= np.spacing(terms)[..., None]).all()


@pytest.mark.parametrize("encoding", list(BLOCK_ENCODINGS))
def test_the_row_says_how_much_space_it_takes(encoding: Encoding) -> None:
    row, weight, tensor = BLOCK_ENCODINGS[encoding], carried(encoding), golden_tensor(encoding)
    offsets = 0 if weight.offsets is None else weight.offsets.nbytes
    num_bytes = weight.codes.nbytes + weight.scales.nbytes + offsets
    assert row.bits_carried == 8 * num_bytes / 1024
    assert row.bits_stored == 8 * tensor.data.nbytes / 1024


@pytest.mark.parametrize("encoding", list(BLOCK_ENCODINGS))
def test_bits_block_size_and_offsets(encoding: Encoding) -> None:
    weight = carried(encoding)
    form = (weight.bits, weight.block_size, weight.offsets is not None)
    assert form == FORMS[encoding]
    num_blocks = 512 // weight.block_size
    assert weight.codes.shape == (2, num_blocks, weight.block_size * weight.bits // 8)
    assert weight.scales.shape == (2, num_blocks)
