"""GGUF's tensor names and row order as transformers has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from export.checkpoints.base import Tensor
from export.checkpoints.gguf.rope import FACTORS_TENSOR

_WHOLE_MODEL: Mapping[str, str] = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_PER_LAYER: Mapping[str, str] = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_IGNORED = re.compile(rf"{re.escape(FACTORS_TENSOR)}|blk\.\d+\.attn_rot_embd\.weight")
_NAME = re.compile(r"(?:blk\.(?P<layer>0|[1-9]\d{0,5})\.)?(?P<part>\w+)\.(?P<kind>weight|bias)")


@dataclass(frozen=True, slots=True)
class HeadCounts:
    """How many heads the rows of Q, and of K, are divided into."""

    queries: int
    keys: int


def is_ignored(gguf_name: str) -> bool:
    """Whether a tensor is no weight: rotary tables, which the config already speaks of."""
    return _IGNORED.fullmatch(gguf_name) is not None


def to_hugging_face(gguf_name: str) -> str | None:
    """transformers' name of a tensor, None where it is not known."""
    match = _NAME.fullmatch(gguf_name)
    if match is None:
        return None
    layer, part, kind = match["layer"], match["part"], match["kind"]
    if layer is None:
        name = _WHOLE_MODEL.get(part)
        return name and f"{name}.{kind}"
    name = _PER_LAYER.get(part)
    return name and f"model.layers.{layer}.{name}.{kind}"


def unpermute_rope(tensor: Tensor, heads: HeadCounts) -> Tensor:
    """Q and K with their rows in transformers' order; any other tensor as it is.

    llama.cpp's rotary embedding turns neighbouring rows (2j, 2j+1) of a head together,
    transformers' turns row j with row j + D/2 (`D` the head size). Converters to GGUF therefore
    reorder the rows of every head, which this undoes. Blocks lie along a row, so whole rows move
    whatever the encoding.

    Precondition: the rows divide evenly into that many heads of even size.
    """
    num_heads = _num_heads(tensor.name, heads)
    if num_heads is None:
        return tensor
    rows, *rest = tensor.data.shape
    pairs = tensor.data.reshape(num_heads, rows // num_heads // 2, 2, *rest)
    return replace(tensor, data=pairs.swapaxes(1, 2).reshape(rows, *rest))


def _num_heads(hugging_face_name: str, heads: HeadCounts) -> int | None:
    if ".self_attn.q_proj." in hugging_face_name:
        return heads.queries
    if ".self_attn.k_proj." in hugging_face_name:
        return heads.keys
    return None
