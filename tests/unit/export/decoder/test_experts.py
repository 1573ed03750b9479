"""Mixtures of experts in every form that their weights are stored in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest

from export.checkpoints.base import Encoding, Groups, JsonValue, Tensor
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.errors import ExportError
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import Decoder, Tiny, build, random_checkpoint, session
from tests.unit.export.decoder.weights import block_tensor

CONFIG = CONFIGS["mixtral"]
SPEC = read_spec(CONFIG)
TOKENS = [int(token) for token in np.random.default_rng(5).integers(0, SPEC.vocab_size, 24)]


def _stored(encoding: Encoding) -> Tiny:
    """The experts' weights in blocks, all others in float32."""
    tensors = dict(random_checkpoint(SPEC).tensors)
    for seed, (name, tensor) in enumerate(tensors.items()):
        if ".experts." in name:
            shape = (tensor.shape[0], tensor.shape[1])
            tensors[name] = Tensor(name, encoding, shape, block_tensor(encoding, shape, seed).data)
    return Tiny(tensors)


def _operators(path: Path) -> list[str]:
    nodes = onnx.load(path, load_external_data=False).graph.node
    return [node.op_type for node in nodes if node.op_type in ("MoE", "QMoE")]


def _error(folder: Path, checkpoint: Tiny, precision: Precision, spec: DecoderSpec = SPEC) -> float:
    """How far the logits are from those of the weights, in their standard deviations."""
    path = build(folder, spec, checkpoint, precision)
    assert _operators(path) == ["QMoE"] * spec.num_layers
    logits = Decoder(session(path), spec).step([TOKENS], [24])[0]
    expected = Reference(spec, checkpoint).logits(TOKENS)
    return float(np.abs(logits - expected).mean() / expected.std())


@pytest.mark.parametrize("encoding", [Encoding.Q8_0, Encoding.Q4_0])
def test_symmetric_blocks_are_carried(tmp_path: Path, encoding: Encoding) -> None:
    assert _error(tmp_path, _stored(encoding), Precision.SOURCE) < 0.03


def test_mxfp4_experts_with_biases_are_carried(tmp_path: Path) -> None:
    spec = read_spec(CONFIGS["gpt_oss"])
    generator = np.random.default_rng(1)
    tensors = dict(random_checkpoint(spec).tensors)
    for name, tensor in tensors.items():
        if ".experts." in name and name.endswith("weight"):
            data = generator.integers(0, 256, (tensor.shape[0], 2 + (tensor.shape[1] > 64), 17))
            data[..., 0] = generator.integers(122, 126, data.shape[:2])  # exponents of about 0.1
            tensors[name] = Tensor(name, Encoding.MXFP4, tensor.shape, data.astype(np.uint8))
    assert _error(tmp_path, Tiny(tensors), Precision.SOURCE, spec) < 0.03


@pytest.mark.parametrize("bits", [4, 8])
def test_groups_with_zero_points_are_carried(tmp_path: Path, bits: Literal[4, 8]) -> None:
    """Three groups to a row of down: an odd number of zero points, two of them in a byte."""
    generator = np.random.default_rng(1)
    tensors = dict(random_checkpoint(SPEC).tensors)
    for name, tensor in tensors.items():
        if ".experts." in name:
            codes = generator.integers(0, 1 << bits, tensor.shape, np.uint8)
            grouped = (tensor.shape[0], tensor.shape[1] // 32)
            zeros = generator.integers(0, 1 << bits, grouped, np.uint8)
            scales = generator.uniform(0.5, 1.5, grouped) / (4 << bits)
            groups = Groups(bits, 32, scales.astype(np.float32), zeros)
            tensors[name] = Tensor(name, Encoding.GROUPED, tensor.shape, codes, groups)
    assert _error(tmp_path, Tiny(tensors), Precision.SOURCE) < 0.03


@pytest.mark.parametrize(("precision", "error"), [(Precision.INT8, 0.05), (Precision.INT4, 0.5)])
def test_rounded_experts_stay_near(tmp_path: Path, precision: Precision, error: float) -> None:
    assert _error(tmp_path, random_checkpoint(SPEC), precision) < error


def test_a_row_alone_is_to_the_bit_what_it_is_beside_another(tmp_path: Path) -> None:
    path = build(tmp_path, SPEC, random_checkpoint(SPEC), Precision.INT8)
    alone, together = (Decoder(session(path), SPEC, num_rows=rows) for rows in (1, 2))
    for index in range(8):
        length = index + 1
        pair = together.step([[TOKENS[index]], [TOKENS[index + 8]]], [length, length])
        np.testing.assert_array_equal(pair[0], alone.step([[TOKENS[index]]], [length])[0])


def test_blocks_with_offsets_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="choose --precision int8 or int4"):
        build(tmp_path, SPEC, _stored(Encoding.Q4_1), Precision.SOURCE)


def test_experts_in_different_forms_are_refused_with_the_remedy(tmp_path: Path) -> None:
    tensors = dict(_stored(Encoding.Q8_0).tensors)
    others = _stored(Encoding.Q4_0).tensors
    tensors |= {name: tensor for name, tensor in others.items() if ".experts.3." in name}
    with pytest.raises(ExportError, match="choose --precision int8 or int4"):
        build(tmp_path, SPEC, Tiny(tensors), Precision.SOURCE)


def test_quantised_experts_for_another_device_are_refused(tmp_path: Path) -> None:
    weights = Weights(SPEC, random_checkpoint(SPEC))
    with (
        TensorFile(tmp_path / "model.onnx.data") as tensors,
        pytest.raises(ExportError, match="for processors alone"),
    ):
        build_decoder(weights, Precision.INT8, Target.CUDA, tensors)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mixtral", {"num_experts_per_tok": 5}, "5 of 4 experts cannot be active"),
        ("mixtral", {"hidden_act": "gelu"}, "another activation than silu"),
        ("qwen3_moe", {"norm_topk_prob": False}, "weights do not add up to one"),
        ("qwen3_moe", {"mlp_only_layers": [0]}, "layers without experts"),
        ("qwen3_moe", {"mlp_only_layers": 3}, "mlp_only_layers is 3, expected a list"),
        ("qwen3_moe", {"decoder_sparse_step": 2}, "layers without experts"),
    ],
)
def test_what_the_kernels_do_not_do_is_refused(
    name: str, changes: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read_spec(CONFIGS[name] | changes)


def test_all_weights_of_all_experts_count() -> None:
    fewer = read_spec(CONFIG | {"num_local_experts": 2})
    one_expert = 3 * 64 * 96 + 64  # with its row of the router
    assert SPEC.num_parameters - fewer.num_parameters == 2 * SPEC.num_layers * one_expert
