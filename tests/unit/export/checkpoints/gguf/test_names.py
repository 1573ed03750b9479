from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize
from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.checkpoints.gguf.layout import HeadCounts, unpermute_rope
from export.checkpoints.gguf.names import LAYER, to_hugging_face
from export.errors import ExportError
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.writers import GGML_Q8_0, StoredTensor, f32, write

HEADS, KV_HEADS, HEAD_DIM, HIDDEN = (
    tiny_llama.HEADS,
    tiny_llama.KV_HEADS,
    tiny_llama.HEAD_DIM,
    tiny_llama.HIDDEN,
)


def permute(weight: NDArray[np.generic], num_heads: int) -> NDArray[np.generic]:
    """What converters to GGUF do to Q and K, row by row: halves of a head are interleaved."""
    head_dim = len(weight) // num_heads
    half = head_dim // 2
    order = [
        head * head_dim + j + part * half
        for head in range(num_heads)
        for j in range(half)
        for part in (0, 1)
    ]
    return weight[order]


@pytest.mark.parametrize(
    ("gguf_name", "expected"),
    [
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("output_norm.weight", "model.norm.weight"),
        ("output.weight", "lm_head.weight"),
        ("blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"),
        ("blk.12.attn_q.bias", "model.layers.12.self_attn.q_proj.bias"),
        ("blk.3.attn_output.weight", "model.layers.3.self_attn.o_proj.weight"),
        ("blk.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight"),
        ("blk.3.ffn_down.weight", "model.layers.3.mlp.down_proj.weight"),
        ("blk.01.ffn_down.weight", None),
        ("blk.x.ffn_down.weight", None),
        ("blk.3.token_embd.weight", None),
        ("ffn_down.weight", None),
        ("blk.3.ffn_gate_exps.weight", None),
        ("token_embd.scale", None),
        ("token_embd.weight\n", None),
        ("", None),
    ],
)
def test_names(gguf_name: str, expected: str | None) -> None:
    assert to_hugging_face(gguf_name, LAYER) == expected


def test_queries_and_keys_come_back_in_the_order_of_the_original(tmp_path: Path) -> None:
    queries = np.random.default_rng(0).random((HEADS * HEAD_DIM, HIDDEN), np.float32)
    keys = np.random.default_rng(1).random((KV_HEADS * HEAD_DIM, HIDDEN), np.float32)
    tensors = {
        "blk.0.attn_q.weight": f32(permute(queries, HEADS)),
        "blk.0.attn_q.bias": f32(permute(queries[:, 0], HEADS)),
        "blk.0.attn_k.weight": f32(permute(keys, KV_HEADS)),
        "blk.0.attn_v.weight": f32(keys),
    }
    content = tiny_llama.content(None, tensors)
    checkpoint = GgufCheckpoint(write(tmp_path / "m.gguf", content))
    prefix = "model.layers.0.self_attn"
    np.testing.assert_array_equal(checkpoint.tensor(f"{prefix}.q_proj.weight").data, queries)
    np.testing.assert_array_equal(checkpoint.tensor(f"{prefix}.q_proj.bias").data, queries[:, 0])
    np.testing.assert_array_equal(checkpoint.tensor(f"{prefix}.k_proj.weight").data, keys)
    np.testing.assert_array_equal(checkpoint.tensor(f"{prefix}.v_proj.weight").data, keys)


def test_rows_of_blocks_move_whole(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 60, (HEADS * HEAD_DIM, 34), np.uint8)
    stored = StoredTensor(GGML_Q8_0, (HEADS * HEAD_DIM, HIDDEN), permute(rows, HEADS).tobytes())
    content = tiny_llama.content(None, {"blk.0.attn_q.weight": stored})
    checkpoint = GgufCheckpoint(write(tmp_path / "m.gguf", content))
    tensor = checkpoint.tensor("model.layers.0.self_attn.q_proj.weight")
    assert tensor.data.shape == (HEADS * HEAD_DIM, 1, 34)
    np.testing.assert_array_equal(tensor.data[:, 0], rows)
    original = Tensor("q", Encoding.Q8_0, tensor.shape, rows[:, None])
    np.testing.assert_array_equal(dequantize(tensor), dequantize(original))


def test_other_tensors_are_not_copied() -> None:
    tensor = Tensor("model.norm.weight", Encoding.F32, (4,), np.ones(4, np.float32))
    assert unpermute_rope(tensor, HeadCounts(2, 1)) is tensor


def test_names_are_all_translated_and_an_unknown_one_refused(tmp_path: Path) -> None:
    checkpoint = GgufCheckpoint(write(tmp_path / "m.gguf", tiny_llama.content()))
    assert len(checkpoint.names()) == len(tiny_llama.tensors())
    assert all(checkpoint.tensor(name).name == name for name in checkpoint.names())
    with pytest.raises(ExportError, match=r"no tensor 'token_embd\.weight'"):
        checkpoint.tensor("token_embd.weight")
