"""Phi 3, 3.5, 4 and 4-mini: Llama with packed projections, rotating a part of each head."""

from __future__ import annotations

from dataclasses import replace

from export.decoder.config import ConfigReader
from export.decoder.families.common import (
    HEAD_DIM_STEP,
    LAYER,
    gated_mlp,
    read_activation,
    read_sizes,
)
from export.decoder.families.llama import llama_layout
from export.decoder.families.windows import with_windows
from export.decoder.parts import AttentionLayer, Linear
from export.decoder.rope import read_rope
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

_EPSILON = 1e-5


def read_phi3(config: ConfigReader) -> DecoderSpec:
    sizes = read_sizes(config)
    spec = llama_layout(config.without("rope_scaling", "rope_parameters"), sizes, epsilon=_EPSILON)
    rotated = int(sizes.head_dim * _rotated_share(config))
    if not rotated or rotated % HEAD_DIM_STEP:
        raise ExportError(
            f"rotating {rotated} features of a head is not supported; supported are multiples of "
            f"{HEAD_DIM_STEP}"
        )
    layer = AttentionLayer(read_rope(config, rotated))
    qkv_size = sizes.query_size + 2 * sizes.kv_size
    qkv = Linear(f"{LAYER}.self_attn.qkv_proj", (qkv_size, sizes.hidden_size))
    gate_up = Linear(f"{LAYER}.mlp.gate_up_proj", (2 * sizes.intermediate_size, sizes.hidden_size))
    spec = replace(
        spec,
        attention=replace(spec.attention, inputs=(qkv,), layers=(layer,) * sizes.num_layers),
        mlp=replace(gated_mlp(sizes, read_activation(config)), inputs=(gate_up,)),
    )
    return with_windows(spec, [config.optional_integer("sliding_window", None)] * spec.num_layers)


def _rotated_share(config: ConfigReader) -> float:
    parameters = config.section("rope_parameters") or config
    share = config.between("partial_rotary_factor", 0.0, 1.0, 1.0)
    return parameters.between("partial_rotary_factor", 0.0, 1.0, share)
