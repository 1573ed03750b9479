"""Decoders that are given `inputs_embeds`, and the graph that makes them of tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.decoder.embedding import build_embedding
from export.decoder.families import read_spec
from export.decoder.graph import build_decoder
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import Floats, build, random_checkpoint, session

TOKENS = [int(token) for token in np.random.default_rng(5).integers(0, 80, 12)]


def _external_bytes(path: Path) -> int:
    return path.with_name(path.name + ".data").stat().st_size


def _run(path: Path, given: str, value: Floats | np.ndarray) -> Floats:
    """The logits of all positions; pasts are empty."""
    graph = session(path)
    feeds: dict[str, np.ndarray] = {
        given: value,
        "seqlens_k": np.array([len(TOKENS) - 1], np.int32),
        "total_sequence_length": np.array(len(TOKENS), np.int32),
        "logits_indices": np.arange(len(TOKENS)),
    }
    for each in graph.get_inputs():
        if each.name.startswith("past"):
            feeds[each.name] = np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32)
    logits: Floats = graph.run(["logits"], feeds)[0]
    return logits


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
@pytest.mark.parametrize("name", ["gemma3", "granite", "mistral"])
def test_embedded_apart_gives_the_same_logits(
    tmp_path: Path, name: str, precision: Precision
) -> None:
    spec = read_spec(CONFIGS[name])
    weights = Weights(spec, random_checkpoint(spec))
    whole = build(tmp_path, spec, weights.checkpoint, precision)
    decoder, embedding = tmp_path / "decoder.onnx", tmp_path / "embedding.onnx"
    with TensorFile(tmp_path / "decoder.onnx.data") as tensors:
        model = build_decoder(weights, precision, Target.CPU, tensors, takes_embeddings=True)
    onnx.save(model, decoder)
    with TensorFile(tmp_path / "embedding.onnx.data") as tensors:
        onnx.save(build_embedding(weights, precision, Target.CPU, tensors, model), embedding)
    ids = np.array([TOKENS])
    embedded = session(embedding).run(["inputs_embeds"], {"input_ids": ids})[0]
    assert embedded.shape == (1, len(TOKENS), spec.hidden_size)
    np.testing.assert_array_equal(
        _run(decoder, "inputs_embeds", embedded), _run(whole, "input_ids", ids)
    )
    if spec.tied_head:
        assert _external_bytes(embedding) == 0
