from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize, unpack_blocks

BLOCK_BYTES = {Encoding.Q8_0: 34, Encoding.Q4_0: 18, Encoding.Q4_1: 20}


def block_tensor(encoding: Encoding, shape: tuple[int, ...], content: bytes) -> Tensor:
    data = np.frombuffer(content, np.uint8).reshape(-1, shape[-1] // 32, BLOCK_BYTES[encoding])
    return Tensor("w", encoding, shape, data)


def random_block(encoding: Encoding, generator: np.random.Generator) -> bytes:
    """Any quants behind ordinary scales: a random float16 may be infinite."""
    scale, minimum = generator.normal(size=2)
    if encoding is Encoding.Q4_1:
        return struct.pack("<ee", scale, minimum) + generator.bytes(16)
    return struct.pack("<e", scale) + generator.bytes(BLOCK_BYTES[encoding] - 2)


def reference(encoding: Encoding, block: bytes) -> list[np.float32]:
    """One block, weight by weight, as ggml's reference code has it."""
    scale = np.float32(struct.unpack_from("<e", block)[0])
    if encoding is Encoding.Q8_0:
        return [np.float32(q) * scale for q in struct.unpack_from("<32b", block, 2)]
    packed = block[-16:]
    codes = [byte & 15 for byte in packed] + [byte >> 4 for byte in packed]
    if encoding is Encoding.Q4_0:
        return [np.float32(q - 8) * scale for q in codes]
    minimum = np.float32(struct.unpack_from("<e", block, 2)[0])
    return [np.float32(q) * scale + minimum for q in codes]


@pytest.mark.parametrize("encoding", list(BLOCK_BYTES))
@given(seed=st.integers(0, 2**32 - 1))
def test_blocks_stand_for_the_numbers_that_ggml_computes(encoding: Encoding, seed: int) -> None:
    generator = np.random.default_rng(seed)
    blocks = [random_block(encoding, generator) for _ in range(6)]
    tensor = block_tensor(encoding, (3, 64), b"".join(blocks))
    expected = np.array([reference(encoding, block) for block in blocks]).reshape(3, 64)
    weights = dequantize(tensor)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, expected)


def test_low_nibbles_are_the_first_half_of_a_block() -> None:
    content = struct.pack("<ee", 1.0, 0.0) + bytes(j | (15 - j) << 4 for j in range(16))
    weights = dequantize(block_tensor(Encoding.Q4_1, (1, 32), content))
    assert weights[0].tolist() == [*range(16), *range(15, -1, -1)]


@pytest.mark.parametrize("encoding", list(BLOCK_BYTES))
def test_unpacked_blocks_combine_to_the_weights(encoding: Encoding) -> None:
    generator = np.random.default_rng(7)
    content = b"".join(random_block(encoding, generator) for _ in range(8))
    tensor = block_tensor(encoding, (4, 64), content)
    blocks = unpack_blocks(tensor)
    assert blocks.quants.shape == (4, 64)
    assert blocks.quants.dtype == np.int8
    assert blocks.scales.shape == (4, 2)
    weights = blocks.quants.astype(np.float32) * np.repeat(blocks.scales, 32, axis=1)
    if encoding is Encoding.Q4_1:
        assert blocks.minimums is not None
        weights += np.repeat(blocks.minimums, 32, axis=1)
    else:
        assert blocks.minimums is None
    np.testing.assert_array_equal(weights, dequantize(tensor))


@pytest.mark.parametrize(("encoding", "highest"), [(Encoding.Q4_0, 7), (Encoding.Q4_1, 15)])
def test_codes_of_four_bits_are_unsigned(encoding: Encoding, highest: int) -> None:
    content = bytes(BLOCK_BYTES[encoding] - 16) + b"\xf0" * 16
    blocks = unpack_blocks(block_tensor(encoding, (1, 32), content))
    assert blocks.quants.tolist() == [[highest - 15] * 16 + [highest] * 16]


def plain(encoding: Encoding, data: NDArray[np.generic]) -> Tensor:
    return Tensor("w", encoding, data.shape, data)


def test_half_precision_widens_exactly() -> None:
    values = np.array([[0.0, -1.5], [65504.0, 6e-8]], np.float16)
    assert dequantize(plain(Encoding.F16, values)).tolist() == values.astype(float).tolist()


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    values = np.array([1.0, -2.5, 3e38, 1e-40], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    expected = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    np.testing.assert_array_equal(dequantize(plain(Encoding.BF16, upper)), expected)


def test_float32_is_not_copied() -> None:
    values = np.ones((2, 2), np.float32)
    assert np.shares_memory(dequantize(plain(Encoding.F32, values)), values)


@pytest.mark.parametrize("shape", [(64,), (6, 64), (2, 3, 64)])
@pytest.mark.parametrize("encoding", [Encoding.Q4_0, Encoding.Q8_0])
def test_some_rows_are_those_of_the_whole(encoding: Encoding, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(3)
    num_blocks = int(np.prod(shape)) // 32
    content = b"".join(random_block(encoding, generator) for _ in range(num_blocks))
    tensor = block_tensor(encoding, shape, content)
    whole = dequantize(tensor)
    assert whole.shape == shape
    for rows in (slice(1, 3), slice(None, 1), slice(None, None, 2), slice(5, 2)):
        np.testing.assert_array_equal(dequantize(tensor, rows), whole[rows])


def test_some_rows_of_a_plain_tensor() -> None:
    values = np.arange(12, dtype=np.float16).reshape(4, 3)
    rows = dequantize(plain(Encoding.F16, values), slice(1, 3))
    assert rows.tolist() == values[1:3].tolist()
