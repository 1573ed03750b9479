"""The random llamas that tests/golden/make_tiny_llama.py wrote, with transformers' logits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.unit.export.checkpoints.writers import safetensors_bytes

GOLDEN = Path(__file__).parents[2] / "golden"
TIED = GOLDEN / "tiny_llama_a"
"""float32, tied embeddings, Llama 3.1's rotary scaling."""

BIASED = GOLDEN / "tiny_llama_b"
"""float16, its own head, biases, heads of 32 where 64 / 4 would make 16."""

FOLDERS = (TIED, BIASED)


@dataclass(frozen=True)
class Expected:
    """`logits` behind each of `token_ids`, float32 `[S, vocab_size]`."""

    token_ids: list[int]
    logits: NDArray[np.float32]


def expected(folder: Path) -> Expected:
    with np.load(folder / "expected.npz") as arrays:
        return Expected(arrays["token_ids"].tolist(), arrays["logits"])


def copy(folder: Path, target: Path) -> Path:
    """A copy to change."""
    shutil.copytree(folder, target)
    return target


def write_weights(
    folder: Path, tensors: dict[str, NDArray[np.float32]], *, bfloat16: bool = False
) -> None:
    """Replaces the weights of a folder, as float32 or cut to bfloat16."""
    content = {}
    for name, values in tensors.items():
        stored = values.astype("<f4")
        upper_halves = (stored.view("<u4") >> 16).astype("<u2")
        kind, raw = ("BF16", upper_halves.tobytes()) if bfloat16 else ("F32", stored.tobytes())
        content[name] = (kind, values.shape, raw)
    (folder / "model.safetensors").write_bytes(safetensors_bytes(content))
