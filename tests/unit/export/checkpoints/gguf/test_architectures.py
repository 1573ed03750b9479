from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.dequantize import dequantize
from export.errors import ExportError
from tests.unit.export.checkpoints.gguf.architecture_cases import CASES, POST_NORMS, QK_NORMS, Case
from tests.unit.export.checkpoints.gguf.tiny_model import (
    ATTENTION,
    EXPERT_MLP,
    EXPERTS,
    FFN,
    HIDDEN,
    MLP,
    Q_SIZE,
    open_model,
)
from tests.unit.export.checkpoints.writers import GGML_Q8_0, MetadataInput, StoredTensor, f32


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_metadata_and_names_become_transformers(tmp_path: Path, case: Case) -> None:
    checkpoint = open_model(
        tmp_path,
        case.prefix,
        case.shapes,
        case.metadata,
        num_layers=case.num_layers,
        extra_tensors=case.tensors,
    )
    read = {key: checkpoint.config[key] for key in case.config}
    assert read == case.config
    assert {f"model.layers.1.{name}" for name in case.names} <= checkpoint.names()


def test_experts_are_read_one_by_one(tmp_path: Path) -> None:
    blocks = np.random.default_rng(1).integers(0, 60, (EXPERTS, FFN, 4, 34), np.uint8)
    stacked = StoredTensor(GGML_Q8_0, (EXPERTS, FFN, HIDDEN), blocks.tobytes())
    whole = np.random.default_rng(2).random((EXPERTS, HIDDEN, FFN), np.float32)
    tensors = {"blk.0.ffn_up_exps.weight": stacked, "blk.0.ffn_down_exps.weight": f32(whole)}
    more = {"expert_count": EXPERTS, "expert_used_count": 2, "expert_feed_forward_length": FFN}
    checkpoint = open_model(
        tmp_path,
        "qwen3moe",
        ATTENTION | EXPERT_MLP | QK_NORMS,
        more,
        extra_tensors=tensors,
    )
    for expert in range(EXPERTS):
        name = f"model.layers.0.mlp.experts.{expert}"
        up = checkpoint.tensor(f"{name}.up_proj.weight")
        assert (up.shape, up.data.shape) == ((FFN, HIDDEN), (FFN, 4, 34))
        np.testing.assert_array_equal(up.data, blocks[expert])
        assert dequantize(up).shape == (FFN, HIDDEN)
        down = checkpoint.tensor(f"{name}.down_proj.weight")
        np.testing.assert_array_equal(down.data, whole[expert])


def test_experts_that_are_not_as_many_as_declared_are_refused(tmp_path: Path) -> None:
    more = {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": FFN}
    with pytest.raises(ExportError, match=r"'blk\.0\.ffn_gate_exps.* has the shape .* 4 exp"):
        open_model(tmp_path, "qwen3moe", ATTENTION | EXPERT_MLP | QK_NORMS, more)


def test_norms_of_gemma_lose_the_one_that_was_added(tmp_path: Path) -> None:
    factors = np.array([-0.5, 0.0, 0.25, 41.5] * 32, np.float32)
    checkpoint = open_model(
        tmp_path,
        "gemma2",
        ATTENTION | MLP | POST_NORMS,
        {"attention.sliding_window": 8},
        extra_tensors={"blk.0.attn_norm.weight": f32(factors + 1)},
    )
    norm = checkpoint.tensor("model.layers.0.input_layernorm.weight")
    np.testing.assert_array_equal(dequantize(norm), factors)
    assert checkpoint.tensor("model.layers.0.mlp.up_proj.weight").data.shape == (FFN, HIDDEN)


def test_queries_of_other_architectures_stay_in_their_order(tmp_path: Path) -> None:
    queries = np.random.default_rng(0).random((Q_SIZE, HIDDEN), np.float32)
    tensors = {"blk.0.attn_q.weight": f32(queries)}
    name = "model.layers.0.self_attn.q_proj.weight"
    qwen = open_model(tmp_path, "qwen2", ATTENTION | MLP, {}, extra_tensors=tensors)
    np.testing.assert_array_equal(qwen.tensor(name).data, queries)
    granite = open_model(tmp_path, "granite", ATTENTION | MLP, {}, extra_tensors=tensors)
    assert not np.array_equal(granite.tensor(name).data, queries)


@pytest.mark.parametrize(
    ("prefix", "more", "problem"),
    [
        ("qwen2", {"rope.dimension_count": 8}, "rope.dimension_count' differs from the head size"),
        ("phi3", {"rope.dimension_count": 7}, "rope.dimension_count' differs from the head size"),
        ("gemma3", {}, "'gemma3.attention.sliding_window' is missing"),
        (
            "gemma3",
            {
                "attention.sliding_window": 8,
                "attention.sliding_window_pattern": np.array([True, False, True]),
            },
            "is not a list of 2 numbers",
        ),
        ("qwen2", {"attention.head_count_kv": np.ones(2, "<u4")}, "is not one whole number"),
        ("starcoder2", {"rope.freq_base": 1e4}, "layer_norm_epsilon' is missing"),
    ],
)
def test_what_an_architecture_lacks_is_named(
    tmp_path: Path, prefix: str, more: dict[str, MetadataInput], problem: str
) -> None:
    with pytest.raises(ExportError, match=problem):
        open_model(tmp_path, prefix, ATTENTION | MLP, more)
