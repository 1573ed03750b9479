"""Stored blocks of every encoding, and the numbers that the gguf package reads from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.ggml.table import BLOCK_ENCODINGS

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
