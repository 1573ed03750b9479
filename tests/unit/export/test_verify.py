from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint
from export.checkpoints.dequantize import dequantize
from export.checkpoints.open import open_checkpoint
from export.decoder.families import read_spec
from export.decoder.precision import Precision
from export.errors import ExportError
from export.tokenizing import load_tokenizer
from export.verify import Verification, compare, measure_cost, verify_package
from export.verify_prompt import prompt_ids
from service.store.manifest import Graphs
from tests.unit.export.decoder.tiny import build
from tests.unit.export.golden_llama import BIASED, FOLDERS, TIED, copy, write_weights


def _verify(
    graph: Path, checkpoint: Checkpoint, precision: Precision = Precision.FP32
) -> Verification:
    graphs = Graphs(decoder=graph.name)
    spec = read_spec(checkpoint.config)
    prompt = prompt_ids(load_tokenizer(checkpoint.tokenizer().tokenizer_json), spec)
    verified = verify_package(graph.parent, graphs, spec, checkpoint, prompt, precision)
    return verified.against_reference


def _build(folder: Path, checkpoint: Checkpoint, precision: Precision = Precision.FP32) -> Path:
    return build(folder, read_spec(checkpoint.config), checkpoint, precision)


def _weights(checkpoint: Checkpoint) -> dict[str, NDArray[np.float32]]:
    return {name: dequantize(checkpoint.tensor(name)).copy() for name in checkpoint.names()}


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("source", FOLDERS, ids=lambda folder: folder.name)
def test_a_right_package_passes_in_every_precision(
    tmp_path: Path, source: Path, precision: Precision
) -> None:
    checkpoint = open_checkpoint(source)
    result = _verify(_build(tmp_path, checkpoint, precision), checkpoint, precision)
    assert 0 <= result.mean_divergence <= result.max_divergence
    exact = precision in (Precision.FP32, Precision.FP16, Precision.SOURCE)
    assert result.agreement == 1 if exact else result.agreement > 0.4


def test_bfloat16_weights_are_carried_and_pass(tmp_path: Path) -> None:
    source = copy(TIED, tmp_path / "bf16")
    write_weights(source, _weights(open_checkpoint(TIED)), bfloat16=True)
    checkpoint = open_checkpoint(source)
    graph = _build(tmp_path, checkpoint, Precision.SOURCE)
    assert (tmp_path / "model.onnx.data").stat().st_size < 250_000
    assert _verify(graph, checkpoint, Precision.SOURCE).agreement == 1


@pytest.mark.parametrize("precision", list(Precision))
def test_another_models_package_is_refused(tmp_path: Path, precision: Precision) -> None:
    checkpoint = open_checkpoint(TIED)
    source = copy(TIED, tmp_path / "other")
    weights = _weights(checkpoint)
    generator = np.random.default_rng(0)
    weights["model.layers.1.mlp.down_proj.weight"] = (
        generator.standard_normal((64, 96)).astype(np.float32) * 0.5
    )
    write_weights(source, weights)
    graph = _build(tmp_path, open_checkpoint(source), precision)
    with pytest.raises(ExportError, match="computes something else than the weights"):
        _verify(graph, checkpoint, precision)


def test_the_cost_is_that_of_the_tokens_themselves() -> None:
    """Logits of two kinds for three tokens of four; of what was decoded behind them, none."""
    sure = np.log(np.array([[0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.25] * 4], np.float32))
    unsure = np.log(np.full((3, 4), 0.25, np.float32))
    cost = measure_cost(sure, unsure, [0, 1, 2])
    assert cost.num_tokens == 2
    assert cost.reference_nats == pytest.approx(-np.log(0.7), abs=1e-6)
    assert cost.loss_nats == pytest.approx(np.log(0.7 / 0.25), abs=1e-6)
    assert measure_cost(sure[:1], unsure[:1], [3]).num_tokens == 0


def test_swapped_layers_are_refused(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(BIASED)
    swapped = {
        name.replace("layers.0.", "layers.x.")
        .replace("layers.1.", "layers.0.")
        .replace("layers.x.", "layers.1."): values
        for name, values in _weights(checkpoint).items()
    }
    source = copy(BIASED, tmp_path / "swapped")
    write_weights(source, swapped)
    graph = _build(tmp_path, open_checkpoint(source))
    with pytest.raises(ExportError, match="computes something else"):
        _verify(graph, checkpoint)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
@pytest.mark.parametrize(
    "name", ["embedding", "layers.0.attention.qkv", "layers.1.mlp.down", "layers.1.mlp.gate_up"]
)
def test_a_region_of_flipped_bytes_is_refused(
    tmp_path: Path, precision: Precision, name: str
) -> None:
    """Written whole and with the right size: only running the graph can tell."""
    checkpoint = open_checkpoint(TIED)
    graph = _build(tmp_path, checkpoint, precision)
    start, length = _region(graph, name)
    data = tmp_path / "model.onnx.data"
    content = bytearray(data.read_bytes())
    for position in range(start, start + length):
        content[position] ^= 0x40
    data.write_bytes(content)
    with pytest.raises(ExportError, match="computes something else"):
        _verify(graph, checkpoint, precision)


def _region(graph: Path, name: str) -> tuple[int, int]:
    """Where the data file holds the largest tensor of a linear or embedding."""
    regions = []
    for tensor in onnx.load(graph, load_external_data=False).graph.initializer:
        if tensor.name.startswith(f"{name}."):
            where = {entry.key: entry.value for entry in tensor.external_data}
            regions.append((int(where.get("length", 0)), int(where.get("offset", 0))))
    length, start = max(regions)
    return start, length


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, broken: float) -> None:
    """They compute the same nonsense in both, which still is not equal."""
    source = copy(TIED, tmp_path / "broken")
    weights = _weights(open_checkpoint(TIED))
    weights["model.layers.0.mlp.up_proj.weight"][3, 5] = broken
    write_weights(source, weights)
    checkpoint = open_checkpoint(source)
    with pytest.raises(ExportError, match="numbers that are not finite"):
        _verify(_build(tmp_path, checkpoint), checkpoint)


@pytest.mark.parametrize("damage", ["truncated", "missing", "no graph"])
def test_files_that_cannot_be_loaded_are_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    checkpoint = open_checkpoint(TIED)
    graph = _build(tmp_path, checkpoint)
    data = tmp_path / "model.onnx.data"
    if damage == "truncated":
        data.write_bytes(data.read_bytes()[:5000])
    elif damage == "missing":
        data.unlink()
    else:
        graph.write_bytes(b"no graph")
    with pytest.raises(ExportError, match="ONNX Runtime refuses the package") as refused:
        _verify(graph, checkpoint)
    assert str(refused.value).isprintable()


def _refused_tokenizer(tokenizer: bytes, **config: int) -> str:
    spec = read_spec({**open_checkpoint(TIED).config, **config})
    with pytest.raises(ExportError) as refused:
        prompt_ids(load_tokenizer(tokenizer), spec)
    assert str(refused.value).isprintable()
    return str(refused.value)


def test_a_tokenizer_of_another_model_is_refused() -> None:
    tokenizer = (TIED / "tokenizer.json").read_bytes()
    assert "does not belong to the weights" in _refused_tokenizer(tokenizer, vocab_size=50)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": null}', b"[" * 1000])
def test_a_tokenizer_that_is_none_is_refused(content: bytes) -> None:
    assert "tokenizer.json cannot be used" in _refused_tokenizer(content)


def test_a_tokenizer_that_makes_no_tokens_is_refused() -> None:
    document = json.loads((TIED / "tokenizer.json").read_text())
    document["model"]["vocab"] = {}
    document["added_tokens"] = []
    message = _refused_tokenizer(json.dumps(document).encode())
    assert "makes no tokens" in message


def test_a_context_too_short_to_decode_in_is_refused() -> None:
    tokenizer = (TIED / "tokenizer.json").read_bytes()
    message = _refused_tokenizer(tokenizer, max_position_embeddings=8)
    assert "a context of 8 tokens is not supported" in message


@pytest.mark.parametrize("context", [9, 20])
def test_a_short_context_shortens_the_prompt(tmp_path: Path, context: int) -> None:
    source = copy(TIED, tmp_path / "short")
    config = json.loads((source / "config.json").read_text())
    config["max_position_embeddings"] = context
    (source / "config.json").write_text(json.dumps(config))
    checkpoint = open_checkpoint(source)
    assert _verify(_build(tmp_path, checkpoint), checkpoint).agreement == 1


def _log(*probabilities: Sequence[float]) -> NDArray[np.float32]:
    return np.log(np.array(probabilities, np.float32))


def test_the_divergence_is_kullback_and_leiblers() -> None:
    expected = _log((0.5, 0.5), (0.25, 0.75))
    actual = _log((0.5, 0.5), (0.75, 0.25))
    result = compare(expected, actual)
    of_second = 0.25 * np.log(0.25 / 0.75) + 0.75 * np.log(0.75 / 0.25)
    assert result.max_divergence == pytest.approx(of_second, rel=1e-6)
    assert result.mean_divergence == pytest.approx(of_second / 2, rel=1e-6)
    assert result.agreement == 0.5


def test_logits_may_differ_by_a_constant() -> None:
    logits = np.random.default_rng(0).standard_normal((3, 7)).astype(np.float32) * 50
    result = compare(logits, logits + 1000)
    assert result.mean_divergence == pytest.approx(0, abs=1e-4)
    assert result.agreement == 1
