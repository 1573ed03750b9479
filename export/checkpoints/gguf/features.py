"""What some architectures have and others lack, in the keys of transformers' configs.

Each function reads what one architecture adds to the keys that all have, or replaces of them.
"""

from __future__ import annotations

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.common import Model
from export.checkpoints.gguf.metadata import Metadata

Config = dict[str, JsonValue]

_GELU = "gelu_pytorch_tanh"
_WINDOW = "attention.sliding_window"
_SCALED_BY_HIDDEN_SIZE = {"gemma2": 46, "gemma3": 62}
"""The number of layers of the 27B models, whose queries are scaled by another rule and have no key
that says so."""


def window_of(metadata: Metadata, prefix: str) -> int | None:
    """How many positions a layer with a sliding window sees, None without one."""
    return metadata.integer(f"{prefix}.{_WINDOW}", 0) or None


def window(model: Model) -> Config:
    return {"sliding_window": window_of(model.metadata, model.prefix)}


def mixtral(model: Model) -> Config:
    return {
        "num_local_experts": model.positive("expert_count"),
        "num_experts_per_tok": model.positive("expert_used_count"),
        **window(model),
    }


def qwen3_moe(model: Model) -> Config:
    return {
        "num_experts": model.positive("expert_count"),
        "num_experts_per_tok": model.positive("expert_used_count"),
        "moe_intermediate_size": model.positive("expert_feed_forward_length"),
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def gpt_oss(model: Model) -> Config:
    return {
        "num_local_experts": model.positive("expert_count"),
        "num_experts_per_tok": model.positive("expert_used_count"),
        "intermediate_size": model.positive("expert_feed_forward_length"),
        "swiglu_limit": 7.0,
        "sliding_window": model.positive(_WINDOW),
        "layer_types": _layer_types(model, period=2),
    }


def granite(model: Model) -> Config:
    return {
        "attention_multiplier": model.number("attention.scale", model.head_dim**-0.5),
        "embedding_multiplier": model.number("embedding_scale", 1.0),
        "residual_multiplier": model.number("residual_scale", 1.0),
        "logits_scaling": model.number("logit_scale", 1.0),
    }


def smollm3(model: Model) -> Config:
    """Every fourth layer does not rotate: a constant in llama.cpp, which has no key for it."""
    rotates = [int((layer + 1) % 4 != 0) for layer in range(model.num_layers)]
    return {"no_rope_layer_interval": 4, "no_rope_layers": list(rotates), **window(model)}


def phi3(model: Model) -> Config:
    original = "rope.scaling.original_context_length"
    config = window(model)
    if model.has(original):
        config["original_max_position_embeddings"] = model.positive(original)
    return config


def gemma(_: Model) -> Config:
    return {"hidden_act": _GELU}


def gemma2(model: Model) -> Config:
    return {
        "hidden_act": _GELU,
        "hidden_activation": _GELU,
        "attn_logit_softcapping": _cap(model, "attn_logit_softcapping", 50.0),
        "final_logit_softcapping": _cap(model, "final_logit_softcapping", 30.0),
        "query_pre_attn_scalar": _query_scalar(model),
        "sliding_window": model.positive(_WINDOW, 4096),
        "layer_types": _layer_types(model, period=2),
    }


def gemma3(model: Model) -> Config:
    return {
        "hidden_act": _GELU,
        "hidden_activation": _GELU,
        "attn_logit_softcapping": _cap(model, "attn_logit_softcapping", 0.0),
        "final_logit_softcapping": _cap(model, "final_logit_softcapping", 0.0),
        "query_pre_attn_scalar": _query_scalar(model),
        "rope_local_base_freq": model.number("rope.freq_base_swa", 10000.0),
        "sliding_window": model.positive(_WINDOW),
        "layer_types": _layer_types(model, period=6),
    }


def olmo3(model: Model) -> Config:
    return {**window(model), "layer_types": _layer_types(model, period=4)}


def starcoder2(model: Model) -> Config:
    return {
        "hidden_act": _GELU,
        "norm_epsilon": model.number("attention.layer_norm_epsilon"),
        "use_bias": "blk.0.attn_q.bias" in model.gguf.tensors,
        **window(model),
    }


def _layer_types(model: Model, period: int) -> list[JsonValue]:
    """A flag for every layer, or a period whose last layer sees everything."""
    key = f"{model.prefix}.{_WINDOW}_pattern"
    if model.metadata.is_list(key):
        flags = model.metadata.numbers(key, model.num_layers)
        return [_layer_type(bool(flag)) for flag in flags.tolist()]
    period = model.metadata.integer(key, period)
    slides = [period == 0 or layer % period < period - 1 for layer in range(model.num_layers)]
    return [_layer_type(flag) for flag in slides]


def _layer_type(slides: bool) -> JsonValue:
    return "sliding_attention" if slides else "full_attention"


def _cap(model: Model, key: str, default: float) -> JsonValue:
    """A cap, None where it is switched off."""
    return model.number(key, default) or None


def _query_scalar(model: Model) -> JsonValue:
    if model.num_layers == _SCALED_BY_HIDDEN_SIZE[model.prefix]:
        return model.hidden_size // model.num_heads
    return model.head_dim
