"""What each architecture writes into a GGUF file, and what it is in transformers' words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.unit.export.checkpoints.gguf.tiny_model import (
    ATTENTION,
    EXPERT_MLP,
    EXPERTS,
    FFN,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    KV_SIZE,
    MLP,
    Q_SIZE,
)
from tests.unit.export.checkpoints.writers import MetadataInput, StoredTensor, f32

Shapes = dict[str, tuple[int, ...]]

QK_NORMS: Shapes = {"attn_q_norm.weight": (HEAD_DIM,), "attn_k_norm.weight": (HEAD_DIM,)}
POST_NORMS: Shapes = {"post_attention_norm.weight": (HIDDEN,), "post_ffw_norm.weight": (HIDDEN,)}
QKV_BIASES: Shapes = {
    "attn_q.bias": (Q_SIZE,),
    "attn_k.bias": (KV_SIZE,),
    "attn_v.bias": (KV_SIZE,),
}
SLIDING, FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True)
class Case:
    """An architecture's own metadata and tensors, and what they become."""

    prefix: str
    shapes: Shapes
    metadata: Mapping[str, MetadataInput]
    config: Mapping[str, object]
    names: tuple[str, ...] = ()
    num_layers: int = 2
    tensors: Mapping[str, StoredTensor] = field(default_factory=dict)


CASES = {
    "llama": Case(
        "llama",
        ATTENTION | MLP,
        {"rope.freq_base": 500000.0},
        {
            "model_type": "llama",
            "rope_theta": 500000.0,
            "rope_scaling": {"rope_type": "factors", "factors": [1.0] * 8 + [4.0] * 8},
        },
        tensors={"rope_freqs.weight": f32(np.repeat([1.0, 4.0], 8))},
    ),
    "gemma": Case(
        "gemma",
        ATTENTION | MLP,
        {},
        {"model_type": "gemma", "hidden_act": "gelu_pytorch_tanh"},
    ),
    "qwen2": Case(
        "qwen2",
        ATTENTION | MLP | QKV_BIASES,
        {"rope.freq_base": 1e6},
        {"model_type": "qwen2", "rope_theta": 1e6, "attention_bias": True},
        ("self_attn.q_proj.bias", "self_attn.v_proj.bias"),
    ),
    "qwen3": Case(
        "qwen3",
        ATTENTION | MLP | QK_NORMS,
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 4.0,
            "rope.scaling.original_context_length": 16,
        },
        {
            "model_type": "qwen3",
            "head_dim": 32,
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        },
        ("self_attn.q_norm.weight", "self_attn.k_norm.weight"),
    ),
    "qwen3 with experts": Case(
        "qwen3moe",
        ATTENTION | EXPERT_MLP | QK_NORMS,
        {"expert_count": EXPERTS, "expert_used_count": 2, "expert_feed_forward_length": FFN},
        {
            "model_type": "qwen3_moe",
            "num_experts": 3,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 64,
            "norm_topk_prob": True,
        },
        ("mlp.gate.weight", "mlp.experts.0.gate_proj.weight", "mlp.experts.2.down_proj.weight"),
    ),
    "mixtral": Case(
        "llama",
        ATTENTION | EXPERT_MLP,
        {"expert_count": EXPERTS, "expert_used_count": 2},
        {"model_type": "mixtral", "num_local_experts": 3, "num_experts_per_tok": 2},
        ("block_sparse_moe.gate.weight", "block_sparse_moe.experts.1.w2.weight"),
    ),
    "mistral": Case(
        "llama",
        ATTENTION | MLP,
        {"attention.sliding_window": 8},
        {"model_type": "mistral", "sliding_window": 8},
    ),
    "ministral": Case(
        "mistral3",
        ATTENTION | MLP,
        {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 16.0,
            "rope.scaling.original_context_length": 16,
            "rope.scaling.yarn_beta_fast": 32.0,
            "rope.scaling.yarn_beta_slow": 1.0,
            "rope.scaling.yarn_log_multiplier": 1.0,
            "attention.temperature_scale": 0.1,
        },
        {
            "model_type": "ministral3",
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 16.0,
                "original_max_position_embeddings": 16,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
                "llama_4_scaling_beta": 0.1,
            },
        },
    ),
    "phi3": Case(
        "phi3",
        {
            "attn_norm.weight": (HIDDEN,),
            "attn_qkv.weight": (Q_SIZE + 2 * KV_SIZE, HIDDEN),
            "attn_output.weight": (HIDDEN, Q_SIZE),
            "ffn_norm.weight": (HIDDEN,),
            "ffn_up.weight": (2 * FFN, HIDDEN),
            "ffn_down.weight": (HIDDEN, FFN),
        },
        {
            "rope.dimension_count": 16,
            "rope.scaling.original_context_length": 32,
            "rope.scaling.attn_factor": 1.19,
            "attention.sliding_window": 48,
        },
        {
            "model_type": "phi3",
            "partial_rotary_factor": 0.5,
            "sliding_window": 48,
            "original_max_position_embeddings": 32,
            "rope_scaling": {
                "rope_type": "longrope",
                "long_factor": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
                "short_factor": [1.0, 1.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5],
                "original_max_position_embeddings": 32,
                "attention_factor": 1.19,
            },
        },
        ("self_attn.qkv_proj.weight", "mlp.gate_up_proj.weight", "mlp.down_proj.weight"),
        tensors={
            "rope_factors_long.weight": f32(np.arange(2.0, 10.0)),
            "rope_factors_short.weight": f32(np.repeat([1.0, 1.5], 4)),
        },
    ),
    "gemma2": Case(
        "gemma2",
        ATTENTION | MLP | POST_NORMS,
        {
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "attention.sliding_window": 8,
        },
        {
            "model_type": "gemma2",
            "hidden_activation": "gelu_pytorch_tanh",
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "query_pre_attn_scalar": 32,
            "sliding_window": 8,
            "layer_types": [SLIDING, FULL],
            "tie_word_embeddings": True,
        },
        (
            "post_attention_layernorm.weight",
            "pre_feedforward_layernorm.weight",
            "post_feedforward_layernorm.weight",
        ),
    ),
    "gemma2 of 27B": Case(
        "gemma2",
        ATTENTION | MLP | POST_NORMS,
        {
            "attention.sliding_window": 8,
            "attention.key_length": 16,
            "attention.value_length": 16,
        },
        {"head_dim": 16, "query_pre_attn_scalar": HIDDEN // HEADS},
        num_layers=46,
    ),
    "gemma3": Case(
        "gemma3",
        ATTENTION | MLP | POST_NORMS | QK_NORMS,
        {
            "attention.sliding_window": 8,
            "rope.freq_base": 1000000.0,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
        },
        {
            "model_type": "gemma3_text",
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "rope_theta": 1000000.0,
            "rope_local_base_freq": 10000.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
            "layer_types": [SLIDING] * 5 + [FULL, SLIDING],
        },
        ("self_attn.q_norm.weight", "pre_feedforward_layernorm.weight"),
        num_layers=7,
    ),
    "olmo2": Case(
        "olmo2",
        {k: v for k, v in (ATTENTION | MLP | POST_NORMS).items() if "_norm" not in k or "post" in k}
        | {"attn_q_norm.weight": (Q_SIZE,), "attn_k_norm.weight": (KV_SIZE,)},
        {},
        {"model_type": "olmo2"},
        ("self_attn.q_norm.weight", "post_feedforward_layernorm.weight"),
        tensors={"output.weight": f32(np.random.default_rng(9).standard_normal((5, HIDDEN)) / 8)},
    ),
    "olmo3": Case(
        "olmo2",
        ATTENTION | POST_NORMS,
        {
            "attention.sliding_window": 8,
            "attention.sliding_window_pattern": np.array([True, False]),
        },
        {"model_type": "olmo3", "sliding_window": 8, "layer_types": [SLIDING, FULL]},
    ),
    "starcoder2": Case(
        "starcoder2",
        {k: v for k, v in (ATTENTION | MLP | QKV_BIASES).items() if "gate" not in k}
        | {"attn_norm.bias": (HIDDEN,), "ffn_norm.bias": (HIDDEN,), "attn_output.bias": (HIDDEN,)}
        | {"ffn_up.bias": (FFN,), "ffn_down.bias": (HIDDEN,)},
        {"attention.layer_norm_epsilon": 1e-5},
        {
            "model_type": "starcoder2",
            "norm_epsilon": 1e-5,
            "use_bias": True,
            "hidden_act": "gelu_pytorch_tanh",
            "sliding_window": None,
        },
        ("input_layernorm.bias", "mlp.c_fc.bias", "mlp.c_proj.weight"),
        tensors={"output_norm.bias": f32(np.linspace(-0.1, 0.1, HIDDEN))},
    ),
    "granite": Case(
        "granite",
        ATTENTION | MLP,
        {
            "attention.scale": 0.015625,
            "embedding_scale": 12.0,
            "residual_scale": 0.22,
            "logit_scale": 8.0,
        },
        {
            "model_type": "granite",
            "attention_multiplier": 0.015625,
            "embedding_multiplier": 12.0,
            "residual_multiplier": 0.22,
            "logits_scaling": 8.0,
        },
    ),
    "smollm3": Case(
        "smollm3",
        ATTENTION | MLP,
        {},
        {"model_type": "smollm3", "no_rope_layers": [1, 1, 1, 0, 1]},
        num_layers=5,
    ),
    "gpt-oss": Case(
        "gpt-oss",
        ATTENTION
        | QKV_BIASES
        | {k: v for k, v in EXPERT_MLP.items() if k != "ffn_norm.weight"}
        | {
            "post_attention_norm.weight": (HIDDEN,),
            "attn_sinks.weight": (HEADS,),
            "ffn_gate_inp.bias": (EXPERTS,),
            "ffn_up_exps.bias": (EXPERTS, FFN),
        },
        {
            "expert_count": EXPERTS,
            "expert_used_count": 2,
            "expert_feed_forward_length": FFN,
            "attention.sliding_window": 8,
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": 32.0,
            "rope.scaling.original_context_length": 16,
        },
        {
            "model_type": "gpt_oss",
            "num_local_experts": 3,
            "layer_types": [SLIDING, FULL],
            "sliding_window": 8,
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 32.0,
                "original_max_position_embeddings": 16,
                "truncate": False,
            },
        },
        (
            "self_attn.sinks",
            "mlp.router.bias",
            "post_attention_layernorm.weight",
            "mlp.experts.1.up_proj.bias",
        ),
    ),
}
