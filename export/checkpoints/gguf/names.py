"""GGUF's tensor names as transformers has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from export.checkpoints.gguf.rope import FACTORS_TENSOR, LONG_TENSOR, SHORT_TENSOR

LayerNames: TypeAlias = dict[str, str]
"""Of a layer's tensors: what GGUF calls them, without or with `.weight` or `.bias`, and what
transformers does; `{e}` stands for an expert, whose tensors GGUF stacks into one."""

_WHOLE_MODEL: Mapping[str, str] = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
LAYER: LayerNames = {
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
QK_NORMS: LayerNames = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
PHI3_PACKED: LayerNames = {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}
GEMMA_NORMS: LayerNames = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
OLMO_NORMS: LayerNames = {
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
STARCODER2_MLP: LayerNames = {"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
EXPERTS: LayerNames = {
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.{e}.gate_proj",
    "ffn_up_exps": "mlp.experts.{e}.up_proj",
    "ffn_down_exps": "mlp.experts.{e}.down_proj",
}
MIXTRAL_EXPERTS: LayerNames = {
    "ffn_gate_inp": "block_sparse_moe.gate",
    "ffn_gate_exps": "block_sparse_moe.experts.{e}.w1",
    "ffn_up_exps": "block_sparse_moe.experts.{e}.w3",
    "ffn_down_exps": "block_sparse_moe.experts.{e}.w2",
}
SINKS: LayerNames = {
    "attn_sinks.weight": "self_attn.sinks",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_gate_inp": "mlp.router",
}

_NO_WEIGHTS = "|".join(map(re.escape, (FACTORS_TENSOR, LONG_TENSOR, SHORT_TENSOR)))
_IGNORED = re.compile(rf"{_NO_WEIGHTS}|blk\.\d+\.attn_rot_embd\.weight")
_NAME = re.compile(r"(?:blk\.(?P<layer>0|[1-9]\d{0,5})\.)?(?P<part>\w+)\.(?P<kind>weight|bias)")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor lies: in GGUF's of that name, of `expert` alone if it stacks several."""

    name: str
    expert: int | None = None


def is_ignored(gguf_name: str) -> bool:
    """Whether a tensor is no weight: rotary tables, which the config already speaks of."""
    return _IGNORED.fullmatch(gguf_name) is not None


def to_hugging_face(gguf_name: str, layer_names: LayerNames) -> str | None:
    """transformers' name of a tensor, None where it is not known; `{e}` is left in it."""
    match = _NAME.fullmatch(gguf_name)
    if match is None:
        return None
    layer, part, kind = match["layer"], match["part"], match["kind"]
    if layer is None:
        name = _WHOLE_MODEL.get(part)
        return name and f"{name}.{kind}"
    whole = layer_names.get(f"{part}.{kind}")
    if whole is not None:
        return f"model.layers.{layer}.{whole}"
    name = layer_names.get(part)
    return name and f"model.layers.{layer}.{name}.{kind}"
