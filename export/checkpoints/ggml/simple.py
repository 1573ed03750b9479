"""Blocks of 32 weights behind one little-endian scale.

    Q8_0    scale                      32 signed bytes q    w = q * scale
    Q4_0    scale                      16 bytes, two q each w = (q - 8) * scale
    Q4_1    scale, minimum             16 bytes, two q each w = q * scale + minimum
    Q5_0    scale, 32 fifth bits       16 bytes, two q each w = (q - 16) * scale
    Q5_1    scale, minimum, fifth bits 16 bytes, two q each w = q * scale + minimum
    IQ4_NL  scale                      16 bytes, two q each w = table[q] * scale
    MXFP4   an exponent                16 bytes, two q each w = table[q] * 2 ** (exponent - 128)

Scales and minimums are float16. Of byte j the low nibble is weight j and the high nibble weight
j + 16. Source: `dequantize_row_*` in ggml-quants.c.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.ggml.blocks import Blocks, Bytes, Floats, as_quants, float16s, nibbles

UNEVEN_LEVELS = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int8
)
"""What the codes of IQ4_NL and IQ4_XS stand for."""

_FP4_LEVELS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
"""Twice the numbers of E2M1; the exponent makes up for the factor."""


def unpack_q8_0(data: Bytes) -> Blocks:
    return Blocks(as_quants(np.ascontiguousarray(data[:, :, 2:])), float16s(data, 0))


def unpack_q4_0(data: Bytes) -> Blocks:
    return Blocks(as_quants(nibbles(data[:, :, 2:], 16), 8), float16s(data, 0))


def unpack_q4_1(data: Bytes) -> Blocks:
    return Blocks(as_quants(nibbles(data[:, :, 4:], 16)), float16s(data, 0), float16s(data, 2))


def unpack_q5_0(data: Bytes) -> Blocks:
    return Blocks(as_quants(_five_bits(data[:, :, 2:]), 16), float16s(data, 0))


def unpack_q5_1(data: Bytes) -> Blocks:
    return Blocks(as_quants(_five_bits(data[:, :, 4:])), float16s(data, 0), float16s(data, 2))


def unpack_iq4_nl(data: Bytes) -> Blocks:
    return Blocks(_look_up(UNEVEN_LEVELS, data[:, :, 2:]), float16s(data, 0))


def unpack_mxfp4(data: Bytes) -> Blocks:
    return Blocks(_look_up(_FP4_LEVELS, data[:, :, 1:]), _half_powers(data[:, :, 0]))


def _look_up(levels: NDArray[np.int8], packed: Bytes) -> NDArray[np.int8]:
    return as_quants(levels[nibbles(packed, 16)])


def _five_bits(data: Bytes) -> Bytes:
    """`[rows, blocks, 4 + 16]` to codes 0 to 31."""
    fifth = np.unpackbits(data[:, :, :4], axis=-1, bitorder="little")
    codes: Bytes = nibbles(data[:, :, 4:], 16) | (fifth << np.uint8(4))
    return codes


def _half_powers(exponents: Bytes) -> Floats:
    """`2 ** (exponent - 128)`, subnormal for the exponents 0 and 1."""
    return np.ldexp(np.float32(1), exponents.astype(np.int32) - 128)
