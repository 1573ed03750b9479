"""DirectML's graphs on the processor, which has all their operators too: the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.checkpoints.base import Checkpoint, Encoding
from export.decoder.directml import shape_for_directml
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.parts import Experts, RopeSpec
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.rope import rope_tables
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.errors import ExportError
from export.operators.check import find_fallbacks
from export.verify_run import run_greedily
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.test_graph import SPECS, VARIANTS, quantized
from tests.unit.export.decoder.tiny import SPEC, random_checkpoint, session

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]
EVEN = read_spec(CONFIGS["llama"] | {"intermediate_size": 128})


def _build(
    folder: Path,
    spec: DecoderSpec,
    checkpoint: Checkpoint,
    precision: Precision,
    target: Target = Target.DIRECTML,
) -> Path:
    path = folder / f"{target.value}.onnx"
    with TensorFile(folder / f"{target.value}.onnx.data") as tensors:
        onnx.save(build_decoder(Weights(spec, checkpoint), precision, target, tensors), path)
    return path


def _is_served(spec: DecoderSpec) -> bool:
    """Whether DirectML's attention has all that `spec` asks of it."""
    layers = spec.attention.layers
    is_mixture = isinstance(spec.mlp, Experts)
    has_windows = any(layer.window is not None for layer in layers)
    return not (is_mixture or has_windows or spec.attention.softcap)


@pytest.mark.parametrize("variant", SPECS)
@pytest.mark.parametrize("target", [Target.CUDA, Target.DIRECTML])
def test_it_computes_what_the_weights_say(tmp_path: Path, variant: str, target: Target) -> None:
    spec = SPECS[variant]
    checkpoint = random_checkpoint(spec)
    if target is Target.DIRECTML and not _is_served(spec):
        with pytest.raises(
            ExportError, match=r"does not know (local_window_size|softcap) = |MoE: it has no kernel"
        ):
            _build(tmp_path, spec, checkpoint, Precision.FP16, target)
        return
    path = _build(tmp_path, spec, checkpoint, Precision.FP16, target)
    token_ids, actual = run_greedily(path, PROMPT, 4)
    expected = Reference(spec, checkpoint).logits(token_ids[:-1])
    assert np.abs(actual - expected).mean() < 0.01 * expected.std()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("target", list(Target))
def test_all_its_nodes_have_kernels(
    tmp_path: Path, variant: str, precision: Precision, target: Target
) -> None:
    spec = VARIANTS[variant]
    path = _build(tmp_path, spec, random_checkpoint(spec), precision, target)
    assert find_fallbacks(onnx.load(path, load_external_data=False), target.provider) == []


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("spec", [SPEC, EVEN], ids=["odd blocks", "even blocks"])
@pytest.mark.parametrize("encoding", [Encoding.Q8_0, Encoding.Q4_0, Encoding.Q4_1])
def test_blocks_give_the_tokens_that_they_give_elsewhere(
    tmp_path: Path, encoding: Encoding, spec: DecoderSpec, tied: bool
) -> None:
    spec = replace(spec, tied_head=tied)
    checkpoint = quantized(spec, encoding)
    expected = run_greedily(
        _build(tmp_path, spec, checkpoint, Precision.SOURCE, Target.CUDA), PROMPT, 8
    )
    actual = run_greedily(_build(tmp_path, spec, checkpoint, Precision.SOURCE), PROMPT, 8)
    assert actual[0] == expected[0]
    assert np.abs(actual[1] - expected[1]).mean() < 0.03 * expected[1].std()


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT4])
def test_every_product_has_zero_points_of_its_own(tmp_path: Path, precision: Precision) -> None:
    path = _build(tmp_path, SPEC, random_checkpoint(), precision)
    graph = onnx.load(path, load_external_data=False).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulNBits"]
    assert products
    for node in products:
        bits = next(each.i for each in node.attribute if each.name == "bits")
        rows, blocks = shapes[node.input[2]]
        assert shapes[node.input[3]] == (rows, blocks * bits // 8)


def test_rotation_by_position_leaves_nothing_to_the_attention(tmp_path: Path) -> None:
    model = onnx.load(_build(tmp_path, SPEC, random_checkpoint(), Precision.FP16))
    assert "position_ids" in {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type == "GroupQueryAttention":
            assert len(node.input) == 7
            assert all(node.input)
            assert "do_rotary" not in {attribute.name for attribute in node.attribute}


def _attention(width: int, tensors: TensorFile) -> onnx.ModelProto:
    """One packed attention of two heads of 32 features, of which `width` rotate."""
    cos, sin = rope_tables(RopeSpec(10000.0, width), 32, 32)
    past = helper.make_tensor_value_info(
        "past_key_values.0.key", TensorProto.FLOAT16, ["b", 2, "t", 32]
    )
    value = helper.make_tensor_value_info(
        "past_key_values.0.value", TensorProto.FLOAT16, ["b", 2, "t", 32]
    )
    node = helper.make_node(
        "GroupQueryAttention",
        ["qkv", "", "", past.name, value.name, "lengths", "total", "cos", "sin"],
        ["out", "present.0.key", "present.0.value"],
        domain="com.microsoft",
        num_heads=2,
        kv_num_heads=2,
        do_rotary=1,
    )
    graph = helper.make_graph(
        [node],
        "attention",
        [
            helper.make_tensor_value_info("qkv", TensorProto.FLOAT16, ["b", "s", 192]),
            past,
            value,
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["b"]),
            helper.make_tensor_value_info("total", TensorProto.INT32, []),
        ],
        [
            helper.make_tensor_value_info("out", TensorProto.FLOAT16, None),
            helper.make_tensor_value_info("present.0.key", TensorProto.FLOAT16, None),
            helper.make_tensor_value_info("present.0.value", TensorProto.FLOAT16, None),
        ],
        [
            tensors.add("cos", cos.astype(np.float16)),
            tensors.add("sin", sin.astype(np.float16)),
        ],
    )
    return helper.make_model(
        graph,
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
    )


@pytest.mark.parametrize("width", [32, 16])
def test_heads_that_rotate_in_part_stay_what_they_were(tmp_path: Path, width: int) -> None:
    generator = np.random.default_rng(3)
    feeds = {
        "qkv": generator.standard_normal((1, 5, 192)).astype(np.float16),
        "past_key_values.0.key": np.zeros((1, 2, 0, 32), np.float16),
        "past_key_values.0.value": np.zeros((1, 2, 0, 32), np.float16),
        "lengths": np.array([4], np.int32),
        "total": np.array(5, np.int32),
    }
    results = []
    for shaped in (False, True):
        path = tmp_path / f"{shaped}.onnx"
        with TensorFile(tmp_path / f"{shaped}.onnx.data") as tensors:
            model = _attention(width, tensors)
            if shaped:
                shape_for_directml(model, tensors)
                feeds["position_ids"] = np.arange(5)[None]
        onnx.save(model, path)
        results.append(session(path).run(None, feeds))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one.astype(np.float32), other.astype(np.float32), atol=3e-3)
