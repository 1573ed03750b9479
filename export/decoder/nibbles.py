"""Codes of 4 bits, two a byte, low nibble first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_nibbles(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`[..., 2 * n]` codes of a byte each as `[..., n]`."""
    packed: NDArray[np.uint8] = codes[..., 0::2] | (codes[..., 1::2] << np.uint8(4))
    return packed


def unpack_nibbles(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`[..., n]` as one byte each: `[..., 2 * n]`."""
    unpacked = np.stack([codes & 15, codes >> np.uint8(4)], axis=-1)
    return unpacked.reshape(*codes.shape[:-1], -1)


def pack_zero_points(zero_points: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Zero points of 4 bits `[N, blocks]` as MatMulNBits wants them, two a byte, rows apart."""
    return pack_nibbles(np.pad(zero_points, ((0, 0), (0, zero_points.shape[1] % 2))))
