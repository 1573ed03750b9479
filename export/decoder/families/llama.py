"""Llama 2 and 3, and what shares their layout: SmolLM 1 and 2, TinyLlama, distills, Falcon 3."""

from __future__ import annotations

from export.decoder.config import ConfigReader
from export.decoder.families.common import (
    Sizes,
    attention,
    final_norm,
    gated_mlp,
    norms_before,
    read_activation,
    read_sizes,
)
from export.decoder.parts import AttentionLayer
from export.decoder.rope import read_rope
from export.decoder.spec import DecoderSpec


def read_llama(config: ConfigReader) -> DecoderSpec:
    bias = config.flag("attention_bias", False)
    return llama_layout(config, read_sizes(config), qkv_bias=bias, out_bias=bias)


def llama_layout(
    config: ConfigReader,
    sizes: Sizes,
    *,
    qkv_bias: bool = False,
    out_bias: bool = False,
    epsilon: float = 1e-6,
    theta: float = 10000.0,
) -> DecoderSpec:
    """A decoder like Llama; `epsilon` and `theta` are what a config that lacks them means."""
    norm = final_norm(config, sizes, epsilon=epsilon)
    layer = AttentionLayer(read_rope(config, sizes.head_dim, theta))
    return DecoderSpec(
        family=config.text("model_type"),
        num_layers=sizes.num_layers,
        hidden_size=sizes.hidden_size,
        vocab_size=config.integer("vocab_size"),
        context_length=config.integer("max_position_embeddings"),
        attention=attention(
            sizes, [layer] * sizes.num_layers, qkv_bias=qkv_bias, out_bias=out_bias
        ),
        mlp=gated_mlp(sizes, read_activation(config), bias=config.flag("mlp_bias", False)),
        norms=norms_before(norm),
        final_norm=norm,
        tied_head=config.flag("tie_word_embeddings", False),
    )
