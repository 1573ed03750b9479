"""gpt-oss: experts with biases and bounded gates, attention with sinks, every other layer sliding.

Its experts are read one by one: so are they in GGUF files, and so are made of the safetensors that
it was published in, which hold all of a layer in one tensor.
"""

from __future__ import annotations

from dataclasses import replace

from export.checkpoints.base import JsonValue
from export.decoder.config import ConfigReader
from export.decoder.families.common import LAYER, read_sizes
from export.decoder.families.llama import llama_layout
from export.decoder.families.windows import read_windows, with_windows
from export.decoder.parts import Experts, Linear, Mlp
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

_ROPE: dict[str, JsonValue] = {
    "rope_type": "yarn",
    "factor": 32.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}
_STEEPNESS = 1.702
_LIMIT = 7.0


def read_gpt_oss(config: ConfigReader) -> DecoderSpec:
    if not config.has("rope_parameters"):
        config = config.with_default("rope_scaling", _ROPE)
    sizes = read_sizes(config, head_dim=64, num_kv_heads=8)
    spec = llama_layout(config, sizes, qkv_bias=True, out_bias=True, epsilon=1e-5, theta=150_000.0)
    window = config.integer("sliding_window", 128)
    windows = read_windows(config, spec.num_layers, window, lambda layer: layer % 2 == 0)
    attention = replace(spec.attention, sinks=f"{LAYER}.self_attn.sinks")
    return with_windows(
        replace(spec, attention=attention, mlp=_experts(config, spec.hidden_size)), windows
    )


def _experts(config: ConfigReader, hidden_size: int) -> Experts:
    num_experts = config.integer("num_local_experts", 128)
    num_active = config.integer("num_experts_per_tok", 4)
    if num_active > num_experts:
        raise ExportError(f"{num_active} of {num_experts} experts cannot be active")
    inner_size = config.integer("intermediate_size", 2880)
    return Experts(
        router=Linear(f"{LAYER}.mlp.router", (num_experts, hidden_size), has_bias=True),
        num_active=num_active,
        mlps=tuple(_mlp(expert, hidden_size, inner_size) for expert in range(num_experts)),
        steepness=_STEEPNESS,
        up_offset=1.0,
        limit=config.positive("swiglu_limit", _LIMIT),
    )


def _mlp(expert: int, hidden_size: int, inner_size: int) -> Mlp:
    prefix = f"{LAYER}.mlp.experts.{expert}"
    return Mlp(
        inputs=(
            Linear(f"{prefix}.gate_proj", (inner_size, hidden_size), has_bias=True),
            Linear(f"{prefix}.up_proj", (inner_size, hidden_size), has_bias=True),
        ),
        down=Linear(f"{prefix}.down_proj", (hidden_size, inner_size), has_bias=True),
    )
