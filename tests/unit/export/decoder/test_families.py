from __future__ import annotations

import pytest

from export.checkpoints.base import JsonValue
from export.decoder.families import FAMILIES, read_spec
from export.decoder.parts import AttentionLayer, RopeSpec
from export.errors import ExportError
from tests.tiny_decoders import CONFIGS

LLAMA: dict[str, JsonValue] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "max_position_embeddings": 8192,
    "vocab_size": 49152,
}


def test_what_a_llama_config_leaves_out_is_what_transformers_assumes() -> None:
    spec = read_spec(LLAMA)
    assert (spec.family, spec.num_layers, spec.context_length) == ("llama", 30, 8192)
    attention = spec.attention
    assert (attention.num_heads, attention.num_kv_heads, attention.head_dim) == (9, 9, 64)
    assert spec.final_norm.epsilon == 1e-6
    assert attention.layers == (AttentionLayer(RopeSpec(10000.0, 64)),) * 30
    assert not spec.tied_head
    assert not any(linear.has_bias for linear in spec.linears)


def test_what_a_llama_config_says_is_taken() -> None:
    spec = read_spec(
        LLAMA
        | {
            "num_key_value_heads": 3,
            "head_dim": 128,
            "rms_norm_eps": 1e-5,
            "rope_theta": 100000.0,
            "tie_word_embeddings": True,
        }
    )
    attention = spec.attention
    assert (attention.num_kv_heads, attention.head_dim) == (3, 128)
    assert (attention.query_size, attention.kv_size) == (9 * 128, 3 * 128)
    assert {norm.epsilon for norm in (*spec.norms.all, spec.final_norm)} == {1e-5}
    assert attention.layers[0].rope == RopeSpec(100000.0, 128)
    assert spec.tied_head


def test_null_is_as_good_as_missing() -> None:
    nulls: dict[str, JsonValue] = dict.fromkeys(
        ("head_dim", "num_key_value_heads", "rope_scaling", "attention_bias", "rope_theta")
    )
    assert read_spec(LLAMA | nulls) == read_spec(LLAMA)


def test_one_flag_gives_all_attention_linears_a_bias() -> None:
    spec = read_spec(LLAMA | {"attention_bias": True})
    assert all(linear.has_bias for linear in spec.attention.linears)
    assert not any(linear.has_bias for linear in spec.mlp.linears)


def test_another_flag_gives_the_mlp_its_biases() -> None:
    spec = read_spec(LLAMA | {"mlp_bias": True})
    assert all(linear.has_bias for linear in spec.mlp.linears)
    assert not any(linear.has_bias for linear in spec.attention.linears)


def test_shapes_and_parameters_follow_from_the_sizes() -> None:
    spec = read_spec(LLAMA | {"num_key_value_heads": 3, "tie_word_embeddings": True})
    assert [linear.shape for linear in spec.attention.inputs] == [(576, 576), *[(192, 576)] * 2]
    assert [linear.shape for linear in spec.mlp.linears] == [*[(1536, 576)] * 2, (576, 1536)]
    # The matrices of SmolLM2-135M, counted in its file.
    assert spec.num_parameters == 134_479_872


@pytest.mark.parametrize("model_type", ["gpt2", "Llama", "mamba", "x" * 500, "a\nb"])
def test_another_architecture_is_refused_naming_those_supported(model_type: str) -> None:
    with pytest.raises(ExportError) as refused:
        read_spec({"model_type": model_type})
    message = str(refused.value)
    assert message.isprintable()
    assert f"architecture '{model_type[:1]}" in message
    assert all(family in message for family in FAMILIES)


def test_a_config_without_an_architecture_is_refused() -> None:
    with pytest.raises(ExportError, match="'unnamed' is not supported"):
        read_spec({})


@pytest.mark.parametrize("key", [key for key in LLAMA if key != "model_type"])
def test_a_missing_size_is_named(key: str) -> None:
    with pytest.raises(ExportError, match=f"config lacks '{key}'"):
        read_spec({name: value for name, value in LLAMA.items() if name != key})


@pytest.mark.parametrize("key", [key for key in LLAMA if key != "model_type"])
@pytest.mark.parametrize("value", [0, -5, "64", 1.5, True])
def test_a_wrong_size_is_named(key: str, value: JsonValue) -> None:
    with pytest.raises(ExportError, match=rf"config\.{key} is"):
        read_spec(LLAMA | {key: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_key_value_heads": 2}, "9 query heads cannot share 2 key-value heads"),
        ({"num_key_value_heads": 18}, "cannot share"),
        ({"head_dim": 24}, "size 24 are not supported; supported are multiples of 16"),
        ({"num_attention_heads": 577}, "head_dim is 0"),
        ({"hidden_act": "relu2"}, "activation 'relu2' is not supported; supported: gelu, .*silu"),
        ({"rms_norm_eps": 0}, r"config\.rms_norm_eps is 0\.0, expected a positive number"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes', expected true or false"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_refused_with_its_reason(
    changes: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read_spec(LLAMA | changes)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "granitemoehybrid"}, "granitemoehybrid models are not supported: they mix"),
        ({"model_type": "qwen2_moe"}, "an expert that all tokens share"),
        (CONFIGS["gemma3"] | {"use_bidirectional_attention": True}, "in both directions"),
        (CONFIGS["ministral"] | {"layer_types": ["full_attention", "linear_attention"]}, "linear"),
        (CONFIGS["ministral"] | {"layer_types": ["full_attention"]}, "a list of 2 strings"),
        (CONFIGS["phi4-mini"] | {"partial_rotary_factor": 0.75}, "rotating 24 features of a head"),
        (CONFIGS["gemma2"] | {"hidden_activation": "relu"}, "activation 'relu' is not supported"),
    ],
)
def test_what_a_family_cannot_do_is_refused_with_its_reason(
    config: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read_spec(config)


def test_a_window_of_null_is_none_and_a_missing_one_is_the_familys() -> None:
    config = dict(CONFIGS["mistral"])
    for value, window in ((7, 7), (None, None)):
        layers = read_spec(config | {"sliding_window": value}).attention.layers
        assert {layer.window for layer in layers} == {window}
    del config["sliding_window"]
    assert {layer.window for layer in read_spec(config).attention.layers} == {4096}


def test_both_ways_to_tell_the_two_rotations_of_gemma_3_mean_the_same() -> None:
    """transformers 5 has a section for each type of layer."""
    earlier = CONFIGS["gemma3"]
    later = {key: value for key, value in earlier.items() if not key.startswith("rope_")}
    later["rope_parameters"] = {
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
    }
    assert read_spec(later) == read_spec(earlier)


@pytest.mark.parametrize("share", [1e-9, 1.5, 1e30])
def test_more_than_a_head_cannot_rotate_nor_nothing_of_it(share: float) -> None:
    with pytest.raises(ExportError, match=r"rotating 0 features|partial_rotary_factor is"):
        read_spec({**CONFIGS["phi3"], "partial_rotary_factor": share})


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    "key",
    [
        *("hidden_size", "head_dim", "num_hidden_layers", "num_attention_heads", "vocab_size"),
        *("intermediate_size", "max_position_embeddings"),
    ],
)
def test_a_size_without_measure_is_named(name: str, key: str) -> None:
    for value in (10**9, 2**63, 10**400):
        with pytest.raises(ExportError, match=rf"config\.{key} is .*, expected [0-9]+ at most"):
            read_spec({**CONFIGS[name], key: value})
