from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.checkpoints.base import Checkpoint, Tensor
from export.decoder.int8_prefill import build_int8_prefill
from export.decoder.precision import Precision
from export.decoder.prefill import derive_prefill, gains_from_prefill_graph
from export.decoder.reference import Reference, Site
from export.decoder.smoothing import Smoothing
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.verify_run import WrittenGraph, run_behind_prefill
from tests.unit.export.decoder.tiny import SPEC, build, random_checkpoint

TOKEN_IDS = [int(i) for i in np.random.default_rng(5).integers(0, SPEC.vocab_size, 24)]
NUM_DECODED = 4
SITES: tuple[Site, ...] = ("attention", "mlp", "down")


def _decoder(folder: Path, precision: Precision) -> tuple[Path, onnx.ModelProto, Checkpoint]:
    checkpoint = random_checkpoint()
    path = build(folder, SPEC, checkpoint, precision)
    return path, onnx.load(path, load_external_data=False), checkpoint


def _derived(folder: Path, decoder: onnx.ModelProto) -> Path:
    path = folder / "prefill.onnx"
    onnx.save(derive_prefill(decoder), path)
    return path


def _smoothing(strength: float) -> Smoothing:
    generator = np.random.default_rng(9)
    inner_size = SPEC.linears[-1].shape[1]
    sizes = {"attention": SPEC.hidden_size, "mlp": SPEC.hidden_size, "down": inner_size}
    return Smoothing(
        {
            (layer, site): np.exp(strength * generator.standard_normal(sizes[site])).astype("f4")
            for layer in range(SPEC.num_layers)
            for site in SITES
        }
    )


def _int8(folder: Path, decoder: onnx.ModelProto, checkpoint: Checkpoint, strength: float) -> Path:
    path = folder / "prefill.onnx"
    with TensorFile(folder / "prefill.onnx.data") as tensors:
        graph = build_int8_prefill(
            Weights(SPEC, checkpoint), Precision.FP32, _smoothing(strength), decoder, tensors
        )
    onnx.save(graph, path)
    return path


def _cache(path: Path, token_ids: list[int]) -> dict[str, np.ndarray]:
    graph = WrittenGraph(path)
    graph.feed(token_ids, len(token_ids))
    return {name: np.asarray(values) for name, values in graph.cache.items()}


def test_a_derived_prefill_fills_the_cache_as_the_decoder_does(tmp_path: Path) -> None:
    path, decoder, _ = _decoder(tmp_path, Precision.FP32)
    expected = _cache(path, TOKEN_IDS)
    actual = _cache(_derived(tmp_path, decoder), TOKEN_IDS)
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


def test_a_derived_prefill_has_no_head_and_no_weights_of_its_own(tmp_path: Path) -> None:
    _, decoder, _ = _decoder(tmp_path, Precision.INT4)
    prefill = onnx.load(_derived(tmp_path, decoder), load_external_data=False)
    assert "logits" not in {output.name for output in prefill.graph.output}
    assert "logits_indices" not in {value.name for value in prefill.graph.input}
    locations = {
        entry.value
        for tensor in prefill.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    assert locations == {"model.onnx.data"}
    last = f"layers.{SPEC.num_layers - 1}.mlp"
    assert not [node.name for node in prefill.graph.node if node.name.startswith(last)]


def test_only_4_bit_weights_change_their_arithmetic(tmp_path: Path) -> None:
    for precision, gains in ((Precision.INT4, True), (Precision.INT8, False)):
        folder = tmp_path / precision.value
        folder.mkdir()
        _, decoder, _ = _decoder(folder, precision)
        assert gains_from_prefill_graph(decoder) is gains
    levels = {
        (_attribute(node, "bits"), _attribute(node, "accuracy_level"))
        for node in derive_prefill(decoder).graph.node
        if node.op_type == "MatMulNBits"
    }
    assert levels == {(8, 4)}


def test_decoding_behind_a_4_bit_prefill_stays_near_the_decoder_alone(tmp_path: Path) -> None:
    path, decoder, _ = _decoder(tmp_path, Precision.INT4)
    alone = WrittenGraph(path).feed(TOKEN_IDS, len(TOKEN_IDS))
    assert alone is not None
    behind = run_behind_prefill(_derived(tmp_path, decoder), path, TOKEN_IDS, NUM_DECODED)
    expected = alone[-NUM_DECODED - 1 : -1]
    assert np.abs(behind - expected).mean() < 0.1 * expected.std()


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_int8_prefill_stays_near_float32_whatever_the_smoothing(
    tmp_path: Path, strength: float
) -> None:
    path, decoder, checkpoint = _decoder(tmp_path, Precision.FP32)
    expected = Reference(SPEC, checkpoint).logits(TOKEN_IDS[:-1])[-NUM_DECODED:]
    prefill = _int8(tmp_path, decoder, checkpoint, strength)
    actual = run_behind_prefill(prefill, path, TOKEN_IDS, NUM_DECODED)
    assert np.abs(actual - expected).mean() < 0.2 * expected.std()


def test_smoothing_spares_outliers(tmp_path: Path) -> None:
    """Channels a hundred times larger than the rest ruin a token's scale unless they are moved."""
    checkpoint = random_checkpoint()
    for layer in range(SPEC.num_layers):
        name = f"model.layers.{layer}.input_layernorm.weight"
        _scale(checkpoint.tensors[name], 100)
        for linear in SPEC.attention.inputs:
            _scale(checkpoint.tensors[linear.name.format(i=layer) + ".weight"], 0.01)
    path = build(tmp_path, SPEC, checkpoint)
    decoder = onnx.load(path, load_external_data=False)
    factors = dict(_smoothing(0.0).factors)
    moved = dict(factors)
    for layer in range(SPEC.num_layers):
        outliers = np.ones(SPEC.hidden_size, np.float32)
        outliers[:2] = 100
        moved[layer, "attention"] = outliers
    errors = []
    expected = _cache(path, TOKEN_IDS)
    for chosen in (factors, moved):
        with TensorFile(tmp_path / "prefill.onnx.data") as tensors:
            graph = build_int8_prefill(
                Weights(SPEC, checkpoint), Precision.FP32, Smoothing(chosen), decoder, tensors
            )
        onnx.save(graph, tmp_path / "prefill.onnx")
        actual = _cache(tmp_path / "prefill.onnx", TOKEN_IDS)
        errors.append(max(np.abs(actual[name] - expected[name]).max() for name in expected))
    assert errors[1] < errors[0] / 5


def test_int8_prefill_makes_a_token_depend_on_no_later_one(tmp_path: Path) -> None:
    _, decoder, checkpoint = _decoder(tmp_path, Precision.FP32)
    prefill = _int8(tmp_path, decoder, checkpoint, 1.0)
    whole, beginning = _cache(prefill, TOKEN_IDS), _cache(prefill, TOKEN_IDS[:9])
    for name, values in beginning.items():
        np.testing.assert_array_equal(whole[name][:, :, :9], values)


def _scale(tensor: Tensor, factor: float) -> None:
    """Scales the first two channels in place."""
    values = tensor.data.view(np.float32)
    values[..., :2] *= np.float32(factor)


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return int(next(attribute.i for attribute in node.attribute if attribute.name == name))
