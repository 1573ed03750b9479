from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.errors import ExportError
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.writers import (
    GGML_F16,
    MetadataInput,
    StoredTensor,
    f32,
    gguf_bytes,
    write,
)

HALF_HEAD = tiny_llama.HEAD_DIM // 2


def open_tiny(
    folder: Path,
    extra: Mapping[str, MetadataInput] | None = None,
    extra_tensors: Mapping[str, StoredTensor] | None = None,
) -> GgufCheckpoint:
    return GgufCheckpoint(write(folder / "m.gguf", tiny_llama.content(extra, extra_tensors)))


def test_the_metadata_become_the_keys_of_config_json(tmp_path: Path) -> None:
    assert open_tiny(tmp_path).config == {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 5,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
    }


def test_what_may_be_left_out_has_a_default(tmp_path: Path) -> None:
    metadata = tiny_llama.metadata()
    del metadata["llama.rope.freq_base"]
    del metadata["llama.attention.head_count_kv"]
    tensors = tiny_llama.tensors() | {"blk.0.attn_k.weight": f32(np.ones((32, 32)))}
    checkpoint = GgufCheckpoint(write(tmp_path / "m.gguf", gguf_bytes(metadata, tensors)))
    assert checkpoint.config["rope_theta"] == 10000.0
    assert checkpoint.config["num_key_value_heads"] == 4


def test_a_head_size_of_its_own(tmp_path: Path) -> None:
    extra = {f"llama.attention.{part}_length": 16 for part in ("key", "value")}
    tensors = {
        "blk.0.attn_q.weight": f32(np.ones((64, 32))),
        "blk.0.attn_k.weight": f32(np.ones((32, 32))),
    }
    assert open_tiny(tmp_path, extra, tensors).config["head_dim"] == 16


def test_the_tensors_tell_what_the_metadata_do_not(tmp_path: Path) -> None:
    tensors = {
        "output.weight": f32(np.ones((5, 32))),
        "blk.0.attn_q.bias": f32(np.ones(32)),
        "blk.0.ffn_gate.bias": f32(np.ones(64)),
    }
    config = open_tiny(tmp_path, None, tensors).config
    assert config["tie_word_embeddings"] is False
    assert config["attention_bias"] is True
    assert config["mlp_bias"] is True


def test_advised_sampling_becomes_a_generation_config(tmp_path: Path) -> None:
    assert open_tiny(tmp_path).generation_config == {}
    extra = {"general.sampling.temp": 0.6, "general.sampling.top_p": 0.9}
    assert open_tiny(tmp_path, extra).generation_config == {"temperature": 0.6, "top_p": 0.9}


FACTORS = {"rope_freqs.weight": f32(np.array([1.0, 1.0, 4.0, 8.0]))}


@pytest.mark.parametrize(
    ("extra", "tensors", "expected"),
    [
        ({}, {}, None),
        ({"type": "none", "factor": 4.0}, {}, None),
        ({"type": "linear", "factor": 1.0}, {}, None),
        ({"type": "linear", "factor": 2.0}, {}, {"rope_type": "linear", "factor": 2.0}),
        ({"factor": 2.0}, {}, {"rope_type": "linear", "factor": 2.0}),
        ({}, FACTORS, {"rope_type": "factors", "factors": [1.0, 1.0, 4.0, 8.0]}),
        ({}, {"rope_freqs.weight": f32(np.ones(HALF_HEAD))}, None),
    ],
)
def test_rope_scaling(
    tmp_path: Path,
    extra: dict[str, MetadataInput],
    tensors: dict[str, StoredTensor],
    expected: object,
) -> None:
    scaling = {f"llama.rope.scaling.{key}": value for key, value in extra.items()}
    checkpoint = open_tiny(tmp_path, scaling, tensors)
    assert checkpoint.config.get("rope_scaling") == expected
    assert not any("rope" in name for name in checkpoint.names())


def test_the_older_key_of_linear_scaling(tmp_path: Path) -> None:
    config = open_tiny(tmp_path, {"llama.rope.scale_linear": 4.0}).config
    assert config["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}


NOT_FINITE = f32(np.array([1.0, np.inf, 1.0, 1.0]))
HALVES = StoredTensor(GGML_F16, (HALF_HEAD,), bytes(2 * HALF_HEAD))


@pytest.mark.parametrize(
    ("extra", "tensors", "problem"),
    [
        ({"general.architecture": "bert"}, {}, "architecture 'bert' is not supported .* llama,"),
        ({"general.architecture": 5}, {}, "'general.architecture' is not a string"),
        (
            {"general.architecture": "granite", "granite.expert_count": 8},
            {},
            "granite as a mixture",
        ),
        ({"split.count": 3}, {}, "one part of a split model"),
        ({"llama.block_count": 0}, {}, "'llama.block_count' is 0"),
        ({"llama.block_count": 2**32 - 1}, {}, "is 4294967295, more than there are tensors"),
        ({"llama.block_count": True}, {}, "is not one whole number"),
        ({"llama.block_count": np.ones(3, "<u4")}, {}, "is not one whole number"),
        ({"llama.attention.head_count": 3}, {}, "has the shape .*expected 30 rows"),
        ({"llama.attention.head_count": 32}, {}, "head size of 1 is not supported"),
        ({"llama.attention.head_count": 64}, {}, "head size of 0 is not supported"),
        ({"llama.attention.head_count_kv": 4}, {}, "has the shape .*expected 32 rows"),
        ({"llama.attention.value_length": 16}, {}, "differs from the head size 8"),
        ({"llama.rope.dimension_count": 4}, {}, "differs from the head size 8"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, {}, "is not finite"),
        ({"llama.attention.layer_norm_rms_epsilon": "x"}, {}, "is not a number"),
        (
            {"llama.rope.scaling.type": "su"},
            {},
            "'su' is not supported; supported are none, ",
        ),
        ({"llama.rope.scaling.type": "longrope"}, {}, "is longrope, but there is no tensor"),
        (
            {
                "llama.rope.scaling.type": "yarn",
                "llama.rope.scaling.factor": 2.0,
                "llama.rope.scaling.yarn_ext_factor": 0.5,
            },
            {},
            "yarn_ext_factor' is not 1",
        ),
        ({"llama.rope.scaling.factor": 0.5}, {}, "is below 1"),
        ({"llama.rope.scaling.factor": 2.0}, FACTORS, "together they are not supported"),
        ({}, {"rope_freqs.weight": NOT_FINITE}, "unusable numbers"),
        ({}, {"rope_freqs.weight": f32(np.zeros(HALF_HEAD))}, "unusable numbers"),
        ({}, {"rope_freqs.weight": f32(np.ones(3))}, "is not 4 numbers of F32"),
        ({}, {"rope_freqs.weight": HALVES}, "is not 4 numbers of F32"),
        ({}, {"token_embd.weight": f32(np.ones((6, 32)))}, "5 tokens but 6 embeddings"),
        ({}, {"blk.0.ssm_conv1d.weight": f32(np.ones(3))}, "is not known for this architecture"),
        ({}, {"blk.0.attn_q.bias": StoredTensor(8, (32,), bytes(34))}, "a bias in blocks"),
    ],
)
def test_what_cannot_be_expressed_is_refused(
    tmp_path: Path,
    extra: dict[str, MetadataInput],
    tensors: dict[str, StoredTensor],
    problem: str,
) -> None:
    with pytest.raises(ExportError, match=problem) as caught:
        open_tiny(tmp_path, extra, tensors)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "key", ["general.architecture", "llama.context_length", "tokenizer.ggml.tokens"]
)
def test_a_missing_value_is_named(tmp_path: Path, key: str) -> None:
    metadata = tiny_llama.metadata()
    del metadata[key]
    path = write(tmp_path / "m.gguf", gguf_bytes(metadata, tiny_llama.tensors()))
    with pytest.raises(ExportError, match=f"the metadata '{key}' is missing"):
        GgufCheckpoint(path)


def test_a_file_without_embeddings_is_refused(tmp_path: Path) -> None:
    tensors = tiny_llama.tensors()
    del tensors["token_embd.weight"]
    path = write(tmp_path / "m.gguf", gguf_bytes(tiny_llama.metadata(), tensors))
    with pytest.raises(ExportError, match=r"there is no tensor 'token_embd\.weight'"):
        GgufCheckpoint(path)
