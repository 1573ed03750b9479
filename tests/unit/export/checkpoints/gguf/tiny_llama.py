"""A llama of a few hundred weights as GGUF, small enough to be cut at every byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.unit.export.checkpoints.writers import (
    GGML_Q4_1,
    GGML_Q8_0,
    MetadataInput,
    StoredTensor,
    f32,
    gguf_bytes,
)

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN = 32, 4, 2, 8, 64
BYTE_TOKENS = ("a", "b", "Ġ", "ab", "<|end|>")


def metadata(
    tokens: Sequence[str] = BYTE_TOKENS, extra: Mapping[str, MetadataInput] | None = None
) -> dict[str, MetadataInput]:
    """The metadata of the tiny llama; `extra` adds to it or replaces."""
    values: dict[str, MetadataInput] = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.context_length": 64,
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": FFN,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": list(tokens),
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.eos_token_id": 4,
    }
    return values | dict(extra or {})


def tensors(num_tokens: int = len(BYTE_TOKENS)) -> dict[str, StoredTensor]:
    """Its weights: random F32, but FFN in Q4_1 and the output projection of attention in Q8_0."""
    generator = np.random.default_rng(0)

    def weight(*shape: int) -> StoredTensor:
        return f32(generator.standard_normal(shape, dtype=np.float32))

    def blocks(kind: int, rows: int, cols: int, block_bytes: int) -> StoredTensor:
        content = generator.integers(0, 60, (rows * cols // 32, block_bytes), dtype=np.uint8)
        return StoredTensor(kind, (rows, cols), content.tobytes())

    return {
        "token_embd.weight": weight(num_tokens, HIDDEN),
        "output_norm.weight": weight(HIDDEN),
        "blk.0.attn_norm.weight": weight(HIDDEN),
        "blk.0.attn_q.weight": weight(HEADS * HEAD_DIM, HIDDEN),
        "blk.0.attn_k.weight": weight(KV_HEADS * HEAD_DIM, HIDDEN),
        "blk.0.attn_v.weight": weight(KV_HEADS * HEAD_DIM, HIDDEN),
        "blk.0.attn_output.weight": blocks(GGML_Q8_0, HIDDEN, HEADS * HEAD_DIM, 34),
        "blk.0.ffn_norm.weight": weight(HIDDEN),
        "blk.0.ffn_gate.weight": blocks(GGML_Q4_1, FFN, HIDDEN, 20),
        "blk.0.ffn_up.weight": blocks(GGML_Q4_1, FFN, HIDDEN, 20),
        "blk.0.ffn_down.weight": blocks(GGML_Q4_1, HIDDEN, FFN, 20),
    }


def content(
    extra: Mapping[str, MetadataInput] | None = None,
    extra_tensors: Mapping[str, StoredTensor] | None = None,
) -> bytes:
    """The file, with entries and tensors added or replaced."""
    return gguf_bytes(metadata(extra=extra), tensors() | dict(extra_tensors or {}))
