"""A few random weights of any architecture as GGUF, as llama.cpp's converters lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.writers import (
    MetadataInput,
    StoredTensor,
    f32,
    gguf_bytes,
    write,
)

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN, EXPERTS = 128, 4, 2, 32, 64, 3
Q_SIZE, KV_SIZE = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM


def metadata(
    prefix: str, num_layers: int, more: Mapping[str, MetadataInput]
) -> dict[str, MetadataInput]:
    """What every architecture has; `more` are keys behind the prefix."""
    values: dict[str, MetadataInput] = {
        "block_count": num_layers,
        "context_length": 64,
        "embedding_length": HIDDEN,
        "feed_forward_length": FFN,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.key_length": HEAD_DIM,
        "attention.value_length": HEAD_DIM,
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    tokenizer = {k: v for k, v in tiny_llama.metadata().items() if k.startswith("tokenizer.")}
    own = {f"{prefix}.{key}": value for key, value in (values | dict(more)).items()}
    return {"general.architecture": prefix} | own | tokenizer


def tensors(num_layers: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, StoredTensor]:
    """An embedding, a final norm and per layer those of `shapes`, biases and norms included."""
    generator = np.random.default_rng(0)

    def weight(name: str, shape: tuple[int, ...]) -> StoredTensor:
        noise = generator.standard_normal(shape, dtype=np.float32)
        is_norm = "norm.weight" in name
        return f32(1 + noise / 4 if is_norm else noise / 8)

    names = {"token_embd.weight": (5, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(num_layers):
        names |= {f"blk.{layer}.{name}": shape for name, shape in shapes.items()}
    return {name: weight(name, shape) for name, shape in names.items()}


ATTENTION: dict[str, tuple[int, ...]] = {
    "attn_norm.weight": (HIDDEN,),
    "attn_q.weight": (Q_SIZE, HIDDEN),
    "attn_k.weight": (KV_SIZE, HIDDEN),
    "attn_v.weight": (KV_SIZE, HIDDEN),
    "attn_output.weight": (HIDDEN, Q_SIZE),
}
MLP: dict[str, tuple[int, ...]] = {
    "ffn_norm.weight": (HIDDEN,),
    "ffn_gate.weight": (FFN, HIDDEN),
    "ffn_up.weight": (FFN, HIDDEN),
    "ffn_down.weight": (HIDDEN, FFN),
}
EXPERT_MLP: dict[str, tuple[int, ...]] = {
    "ffn_norm.weight": (HIDDEN,),
    "ffn_gate_inp.weight": (EXPERTS, HIDDEN),
    "ffn_gate_exps.weight": (EXPERTS, FFN, HIDDEN),
    "ffn_up_exps.weight": (EXPERTS, FFN, HIDDEN),
    "ffn_down_exps.weight": (EXPERTS, HIDDEN, FFN),
}


def open_model(
    folder: Path,
    prefix: str,
    shapes: Mapping[str, tuple[int, ...]],
    more: Mapping[str, MetadataInput],
    *,
    num_layers: int = 2,
    extra_tensors: Mapping[str, StoredTensor] | None = None,
) -> GgufCheckpoint:
    path = folder / "m.gguf"
    return GgufCheckpoint(write_model(path, prefix, shapes, more, num_layers, extra_tensors or {}))


def write_model(
    path: Path,
    prefix: str,
    shapes: Mapping[str, tuple[int, ...]],
    more: Mapping[str, MetadataInput],
    num_layers: int,
    extra_tensors: Mapping[str, StoredTensor],
) -> Path:
    stored = tensors(num_layers, shapes) | dict(extra_tensors)
    return write(path, gguf_bytes(metadata(prefix, num_layers, more), stored))


PROMPTS: tuple[tuple[int, ...], ...] = tuple(
    tuple(np.random.default_rng(length).integers(0, 4, length).tolist()) for length in (2, 13, 40)
)
"""The last is longer than any window."""
PREDICTED = (
    "llama",
    "qwen2",
    "qwen3",
    "phi3",
    "gemma",
    "gemma2",
    "gemma3",
    "olmo2",
    "starcoder2",
    "granite",
    "smollm3",
    "mixtral",
    "qwen3 with experts",
)
"""The architectures of `CASES` that llama.cpp was asked to predict with."""
