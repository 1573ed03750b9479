"""Configs of tiny decoders, in Hugging Face's keys, with every feature of their family at work.

A window is shorter than the prompts of the tests, heads share keys and values, heads are wider
than hidden_size / num_attention_heads where a family allows it, layers differ where they may.
"""

from __future__ import annotations

from collections.abc import Mapping

from export.checkpoints.base import JsonValue

Config = dict[str, JsonValue]

SIZES: Config = {
    "vocab_size": 80,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
WINDOW = 5
UNTIED: Config = {"tie_word_embeddings": False}
TIED: Config = {"tie_word_embeddings": True}
LLAMA3_ROPE: Config = {
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
}
YARN_ROPE: Config = {
    "rope_scaling": {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 16,
    }
}
LONG_ROPE: Config = {
    "rope_scaling": {
        "type": "longrope",
        "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 1.9, 2.0],
        "long_factor": [1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 24.0, 32.0],
    },
    "original_max_position_embeddings": 32,
}


def _config(model_type: str, *parts: Config, **keys: JsonValue) -> Config:
    config: Config = {"model_type": model_type, **SIZES}
    for part in parts:
        config |= part
    return config | keys


CONFIGS: Mapping[str, Config] = {
    "llama": _config("llama", TIED),
    "llama 3.2": _config("llama", TIED, LLAMA3_ROPE, head_dim=32),
    "llama with biases": _config("llama", UNTIED, attention_bias=True, mlp_bias=True),
    "granite": _config(
        "granite",
        TIED,
        embedding_multiplier=12.0,
        residual_multiplier=0.22,
        attention_multiplier=0.05,
        logits_scaling=8.0,
    ),
    "smollm3": _config("smollm3", TIED, num_hidden_layers=4, no_rope_layer_interval=2),
    "smollm3 sliding": _config(
        "smollm3",
        UNTIED,
        num_hidden_layers=3,
        no_rope_layers=[1, 0, 1],
        use_sliding_window=True,
        sliding_window=WINDOW,
    ),
    "qwen2": _config("qwen2", TIED),
    "qwen2 sliding": _config(
        "qwen2", UNTIED, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1
    ),
    "qwen3": _config("qwen3", TIED, head_dim=32),
    "qwen3 with yarn and biases": _config(
        "qwen3", UNTIED, YARN_ROPE, head_dim=16, attention_bias=True
    ),
    "mistral": _config("mistral", UNTIED, sliding_window=WINDOW, head_dim=32),
    "mistral without a window": _config("mistral", TIED, sliding_window=None),
    "ministral": _config(
        "ministral",
        UNTIED,
        head_dim=16,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "phi3": _config("phi3", UNTIED, sliding_window=WINDOW),
    "phi3 with longrope": _config("phi3", TIED, LONG_ROPE),
    "phi4-mini": _config("phi3", TIED, LONG_ROPE, hidden_size=128, partial_rotary_factor=0.5),
    "gemma": _config("gemma", TIED, head_dim=32),
    "gemma2": _config(
        "gemma2",
        TIED,
        head_dim=32,
        sliding_window=WINDOW,
        query_pre_attn_scalar=24,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
    ),
    "gemma3": _config(
        "gemma3_text",
        TIED,
        head_dim=32,
        num_hidden_layers=3,
        sliding_window=WINDOW,
        sliding_window_pattern=3,
        query_pre_attn_scalar=24,
        rope_theta=1000000.0,
        rope_local_base_freq=10000.0,
        rope_scaling={"rope_type": "linear", "factor": 8.0},
    ),
    "gemma3 untied and capped": _config(
        "gemma3_text",
        UNTIED,
        head_dim=16,
        sliding_window=WINDOW,
        layer_types=["full_attention", "sliding_attention"],
        final_logit_softcapping=3.0,
    ),
    "mixtral": _config(
        "mixtral", UNTIED, sliding_window=WINDOW, num_local_experts=4, num_experts_per_tok=2
    ),
    "qwen3_moe": _config(
        "qwen3_moe",
        TIED,
        head_dim=32,
        num_experts=6,
        num_experts_per_tok=3,
        moe_intermediate_size=48,
        norm_topk_prob=True,
    ),
    "gpt_oss": _config(
        "gpt_oss",
        UNTIED,
        head_dim=32,
        sliding_window=WINDOW,
        num_local_experts=4,
        num_experts_per_tok=2,
        rope_scaling={
            "rope_type": "yarn",
            "factor": 4.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": 16,
        },
    ),
    "olmo2": _config("olmo2", UNTIED),
    "olmo2 with biases": _config("olmo2", TIED, attention_bias=True),
    "starcoder2": _config("starcoder2", TIED, sliding_window=WINDOW),
    "starcoder2 without biases": _config("starcoder2", UNTIED, use_bias=False),
}
