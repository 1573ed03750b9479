from __future__ import annotations

import numpy as np
import pytest

from export.checkpoints.base import Encoding
from export.checkpoints.dequantize import dequantize, select_rows, unpack_blocks
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from tests.unit.export.checkpoints.ggml.golden_blocks import golden_tensor, golden_weights

ENCODINGS = list(BLOCK_ENCODINGS)


def test_every_block_encoding_has_a_row() -> None:
    blocks = {encoding for encoding in Encoding if encoding.is_block}
    assert set(BLOCK_ENCODINGS) == blocks - {Encoding.GROUPED}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_weights_are_the_reference_s_to_the_last_bit(encoding: Encoding) -> None:
    weights = dequantize(golden_tensor(encoding))
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, golden_weights(encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_row_is_read_alone(encoding: Encoding) -> None:
    tensor = golden_tensor(encoding)
    np.testing.assert_array_equal(dequantize(tensor, slice(1, 2)), golden_weights(encoding)[1:])
    assert np.shares_memory(select_rows(tensor, slice(1, 2)).data, tensor.data)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_row_says_what_the_quants_are(encoding: Encoding) -> None:
    row, blocks = BLOCK_ENCODINGS[encoding], unpack_blocks(golden_tensor(encoding))
    assert blocks.block_size == row.block_size
    assert (blocks.quants.min(), blocks.quants.max()) == (row.lowest, row.highest)
    # Without minimums, four bits are centred: MatMulNBits' zero is 8.
    if row.fits_four_bits and blocks.minimums is None:
        assert row.lowest >= -8
        assert row.highest < 8


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_infinite_scale_is_no_warning(encoding: Encoding) -> None:
    tensor = golden_tensor(encoding)
    tensor.data[:] = 0xFF
    for half in (0, 2):
        tensor.data[:, :, half : half + 2] = np.array([np.inf], "<f2").view(np.uint8)
    dequantize(tensor)
