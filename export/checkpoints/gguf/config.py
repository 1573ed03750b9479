"""GGUF metadata as the keys of Hugging Face's config.json and generation_config.json.

Metadata keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import numpy as np

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.architectures import Architecture
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.reader import GgufFile
from export.checkpoints.gguf.rope import read_rope_scaling
from export.errors import ExportError

_SAMPLING_KEYS = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_p": "top_p",
}


def read_config(gguf: GgufFile, architecture: Architecture) -> dict[str, JsonValue]:
    """The architecture as transformers would describe it.

    Raises ExportError where a value is missing or contradicts another, or for a layout that
    the architecture's row cannot express.
    """
    metadata, prefix = gguf.metadata, architecture.name
    hidden_size = _positive(metadata, f"{prefix}.embedding_length")
    num_heads = _positive(metadata, f"{prefix}.attention.head_count")
    head_dim = _read_head_dim(metadata, prefix, hidden_size, num_heads)
    config: dict[str, JsonValue] = {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "vocab_size": _read_vocab_size(gguf),
        "hidden_size": hidden_size,
        "intermediate_size": _positive(metadata, f"{prefix}.feed_forward_length"),
        "num_hidden_layers": _positive(metadata, f"{prefix}.block_count"),
        "num_attention_heads": num_heads,
        "num_key_value_heads": _positive(metadata, f"{prefix}.attention.head_count_kv", num_heads),
        "head_dim": head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": _positive(metadata, f"{prefix}.context_length"),
        "rms_norm_eps": _shortest(metadata.number(f"{prefix}.attention.layer_norm_rms_epsilon")),
        "rope_theta": _shortest(metadata.number(f"{prefix}.rope.freq_base", 10000.0)),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        "attention_bias": "blk.0.attn_q.bias" in gguf.tensors,
        "mlp_bias": "blk.0.ffn_gate.bias" in gguf.tensors,
    }
    scaling = read_rope_scaling(gguf, prefix, head_dim)
    if scaling is not None:
        config["rope_scaling"] = scaling
    _check_window(metadata, prefix)
    return config


def read_generation_config(metadata: Metadata) -> dict[str, JsonValue]:
    """What a package records of the sampling that the model's makers advise."""
    return {
        name: _shortest(metadata.number(key))
        for key, name in _SAMPLING_KEYS.items()
        if key in metadata
    }


def _read_head_dim(metadata: Metadata, prefix: str, hidden_size: int, num_heads: int) -> int:
    head_dim = metadata.integer(f"{prefix}.attention.key_length", hidden_size // num_heads)
    for key in (f"{prefix}.attention.value_length", f"{prefix}.rope.dimension_count"):
        if metadata.integer(key, head_dim) != head_dim:
            raise metadata.error(key, f"differs from the head size {head_dim}: not supported")
    if head_dim == 0 or head_dim % 2:
        raise ExportError(f"{metadata.path}: a head size of {head_dim} is not supported")
    return head_dim


def _read_vocab_size(gguf: GgufFile) -> int:
    metadata = gguf.metadata
    vocab_size = len(metadata.texts("tokenizer.ggml.tokens"))
    embedding = gguf.tensors.get("token_embd.weight")
    if embedding is None:
        raise ExportError(f"{metadata.path}: there is no tensor 'token_embd.weight'")
    if embedding.shape[0] != vocab_size:
        raise ExportError(
            f"{metadata.path}: {vocab_size} tokens but {embedding.shape[0]} embeddings"
        )
    return vocab_size


def _check_window(metadata: Metadata, prefix: str) -> None:
    key = f"{prefix}.attention.sliding_window"
    if metadata.integer(key, 0) > 0:
        raise metadata.error(key, "asks for sliding-window attention, which is not supported")


def _positive(metadata: Metadata, key: str, default: int | None = None) -> int:
    value = metadata.integer(key, default)
    if value == 0:
        raise metadata.error(key, "is 0")
    return value


def _shortest(value: float) -> float:
    """The shortest decimal that is the same float32: 1e-05 for 9.99999974e-06."""
    return float(str(np.float32(value)))
