"""Writes ggml_blocks.npz: stored blocks of every encoding and the numbers they stand for.

    python tests/golden/make_ggml_blocks.py

needs the PyPI package gguf, whose numpy code is the reference; run it from the repository's root
with the root on PYTHONPATH. Blocks are random, with scales that
are ordinary numbers, so that every bit of every code and sub-scale is read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, quants
from gguf.constants import GGML_QUANT_SIZES
from numpy.typing import NDArray

from export.checkpoints.base import Encoding
from tests.unit.export.checkpoints.ggml.golden_blocks import HALVES

NUM_WEIGHTS = 1024


def random_blocks(name: str, generator: np.random.Generator) -> NDArray[np.uint8]:
    weights_per_block, num_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    num_blocks = NUM_WEIGHTS // weights_per_block
    blocks = generator.integers(0, 256, (num_blocks, num_bytes), np.uint8)
    for offset in HALVES[Encoding[name]]:
        numbers = generator.normal(size=(num_blocks, 1)).astype("<f2")
        blocks[:, offset : offset + 2] = numbers.view(np.uint8)
    if name == "MXFP4":
        # About 1, and the two smallest exponents.
        blocks[:, 0] = generator.integers(120, 136, num_blocks)
        blocks[:2, 0] = (0, 1)
    return blocks


def main() -> None:
    generator = np.random.default_rng(0)
    arrays: dict[str, NDArray[np.generic]] = {}
    for name in (encoding.name for encoding in HALVES):
        blocks = random_blocks(name, generator)
        arrays[f"{name}.stored"] = blocks
        arrays[f"{name}.weights"] = quants.dequantize(blocks, GGMLQuantizationType[name]).ravel()
    np.savez_compressed(Path(__file__).with_name("ggml_blocks.npz"), **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
