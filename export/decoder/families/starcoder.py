"""StarCoder 2: LayerNorm, biases everywhere, an MLP without a gate, a sliding window."""

from __future__ import annotations

from export.decoder.config import ConfigReader
from export.decoder.families.common import (
    LAYER,
    attention,
    norms_before,
    read_activation,
    read_sizes,
)
from export.decoder.parts import AttentionLayer, Linear, Mlp, Norm
from export.decoder.rope import read_rope
from export.decoder.spec import DecoderSpec

_NUM_KV_HEADS = 2
_ACTIVATION = "gelu_pytorch_tanh"
_EPSILON = 1e-5


def read_starcoder2(config: ConfigReader) -> DecoderSpec:
    sizes = read_sizes(config, num_kv_heads=_NUM_KV_HEADS)
    hidden, inner = sizes.hidden_size, sizes.intermediate_size
    bias = config.flag("use_bias", True)
    epsilon = config.positive("norm_epsilon", _EPSILON)
    norm = Norm("model.norm", hidden, epsilon, kind="layer")
    window = config.optional_integer("sliding_window", None)
    layer = AttentionLayer(read_rope(config, sizes.head_dim), window)
    return DecoderSpec(
        family=config.text("model_type"),
        num_layers=sizes.num_layers,
        hidden_size=hidden,
        vocab_size=config.integer("vocab_size"),
        context_length=config.integer("max_position_embeddings"),
        attention=attention(sizes, [layer] * sizes.num_layers, qkv_bias=bias, out_bias=bias),
        mlp=Mlp(
            inputs=(Linear(f"{LAYER}.mlp.c_fc", (inner, hidden), bias),),
            down=Linear(f"{LAYER}.mlp.c_proj", (hidden, inner), bias),
            activation=read_activation(config, default=_ACTIVATION),
            is_gated=False,
        ),
        norms=norms_before(norm),
        final_norm=norm,
        tied_head=config.flag("tie_word_embeddings", True),
    )
