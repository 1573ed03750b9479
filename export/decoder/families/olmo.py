"""OLMo 2: norms behind the branches instead of before, and of all queries and all keys."""

from __future__ import annotations

from dataclasses import replace

from export.decoder.config import ConfigReader
from export.decoder.families.common import LAYER, Sizes, named, read_sizes
from export.decoder.families.llama import llama_layout
from export.decoder.parts import LayerNorms, Norm, QueryKeyNorms
from export.decoder.spec import DecoderSpec

_EPSILON = 1e-5


def read_olmo2(config: ConfigReader) -> DecoderSpec:
    sizes = read_sizes(config)
    bias = config.flag("attention_bias", False)
    spec = llama_layout(config, sizes, qkv_bias=bias, out_bias=bias, epsilon=_EPSILON)
    norm = spec.final_norm
    return replace(
        spec,
        attention=replace(spec.attention, norms=_projection_norms(norm, sizes)),
        norms=LayerNorms(
            before_attention=None,
            after_attention=named(norm, f"{LAYER}.post_attention_layernorm"),
            before_mlp=None,
            after_mlp=named(norm, f"{LAYER}.post_feedforward_layernorm"),
        ),
    )


def _projection_norms(norm: Norm, sizes: Sizes) -> QueryKeyNorms:
    return QueryKeyNorms(
        named(norm, f"{LAYER}.self_attn.q_norm", sizes.query_size),
        named(norm, f"{LAYER}.self_attn.k_norm", sizes.kv_size),
    )
