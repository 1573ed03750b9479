"""Stored blocks of every encoding, and the numbers that the gguf package reads from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize
from export.checkpoints.ggml.table import BLOCK_ENCODINGS

HALVES: dict[Encoding, tuple[int, ...]] = {
    Encoding.Q4_0: (0,),
    Encoding.Q4_1: (0, 2),
    Encoding.Q5_0: (0,),
    Encoding.Q5_1: (0, 2),
    Encoding.Q8_0: (0,),
    Encoding.Q2_K: (80, 82),
    Encoding.Q3_K: (108,),
    Encoding.Q4_K: (0, 2),
    Encoding.Q5_K: (0, 2),
    Encoding.Q6_K: (208,),
    Encoding.IQ4_NL: (0,),
    Encoding.IQ4_XS: (0,),
    Encoding.MXFP4: (),
}
"""Where a stored block of each encoding has its float16 numbers."""

_FILE = Path(__file__).parents[4] / "golden" / "ggml_blocks.npz"
NUM_ROWS = 2


def golden_tensor(encoding: Encoding) -> Tensor:
    """`[2, 512]` random weights."""
    with np.load(_FILE) as arrays:
        stored = arrays[f"{encoding.name}.stored"]
    num_columns = len(stored) * BLOCK_ENCODINGS[encoding].weights_per_block // NUM_ROWS
    data = stored.reshape(NUM_ROWS, -1, stored.shape[-1])
    return Tensor("w", encoding, (NUM_ROWS, num_columns), data)


def golden_weights(encoding: Encoding) -> NDArray[np.float32]:
    with np.load(_FILE) as arrays:
        weights: NDArray[np.float32] = arrays[f"{encoding.name}.weights"].reshape(NUM_ROWS, -1)
    return weights


def random_tensor(
    encoding: Encoding, shape: tuple[int, int], seed: int = 0, deviation: float = 0.1
) -> Tensor:
    """Blocks of random codes that stand for weights of about `deviation`."""
    row = BLOCK_ENCODINGS[encoding]
    generator = np.random.default_rng(seed)
    stored = (shape[0], shape[1] // row.weights_per_block, row.bytes_per_block)
    data = generator.integers(0, 256, stored, np.uint8)
    if encoding is Encoding.MXFP4:
        data[..., 0] = generator.integers(120, 123, stored[:2])
    halves = {offset: generator.uniform(0.5, 1, stored[:2]) for offset in HALVES[encoding]}
    tensor = Tensor(encoding.value, encoding, shape, data)
    _write_halves(data, halves)
    shrunk = deviation / dequantize(tensor).std()
    _write_halves(data, {offset: numbers * shrunk for offset, numbers in halves.items()})
    return tensor


def _write_halves(data: NDArray[np.uint8], halves: dict[int, NDArray[np.float64]]) -> None:
    for offset, numbers in halves.items():
        data[..., offset : offset + 2] = numbers[..., None].astype("<f2").view(np.uint8)
