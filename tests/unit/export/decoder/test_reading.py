"""The graph that reads whole sequences against numpy: of every family, in batches with padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.checkpoints.base import Checkpoint
from export.decoder.precision import Precision
from export.decoder.reading import build_reader
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.encoder.written import Row, WrittenGraph
from export.errors import ExportError
from tests.unit.export.decoder.test_graph import SPECS
from tests.unit.export.decoder.tiny import SPEC, Floats, Tiny, random_checkpoint

TOLERANCE = 1e-4
ROWS = [[5, 6, 7], [*range(10, 34)], [70], [3, 1, 4, 1, 5, 9, 2, 6]]
PAD = 79


def read(
    folder: Path,
    spec: DecoderSpec,
    checkpoint: Checkpoint,
    rows: list[list[int]],
    *,
    precision: Precision = Precision.FP32,
    score: Floats | None = None,
) -> list[Floats]:
    """What the graph makes of all rows in one batch."""
    path = folder / "model.onnx"
    with TensorFile(folder / "model.onnx.data") as tensors:
        weights = Weights(spec, checkpoint)
        onnx.save(build_reader(weights, precision, tensors, score=score), path)
    return WrittenGraph(path, PAD).compute([Row(row, [0] * len(row)) for row in rows])


@pytest.mark.parametrize("name", SPECS)
def test_vectors_of_all_tokens_are_those_of_each_text_alone(tmp_path: Path, name: str) -> None:
    spec, checkpoint = SPECS[name], random_checkpoint(SPECS[name])
    for row, vectors in zip(ROWS, read(tmp_path, spec, checkpoint, ROWS), strict=True):
        expected = Reference(spec, checkpoint).normed(row)
        np.testing.assert_allclose(vectors, expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["qwen3", "llama", "gemma2", "mixtral", "gpt_oss"])
def test_scores_are_those_of_the_last_token_of_each_text(tmp_path: Path, name: str) -> None:
    spec, checkpoint = SPECS[name], random_checkpoint(SPECS[name])
    score = np.random.default_rng(3).standard_normal((1, spec.hidden_size)).astype(np.float32)
    actual = read(tmp_path, spec, checkpoint, ROWS, score=score)
    for row, logit in zip(ROWS, actual, strict=True):
        expected = Reference(spec, checkpoint).normed(row)[-1] @ score.T
        np.testing.assert_allclose(logit, expected, atol=TOLERANCE)


@pytest.mark.parametrize(("precision", "smallest"), [(Precision.INT8, 0.99), (Precision.INT4, 0.8)])
def test_rounded_weights_stay_near(tmp_path: Path, precision: Precision, smallest: float) -> None:
    checkpoint = random_checkpoint()
    (actual,) = read(tmp_path, SPEC, checkpoint, ROWS[1:2], precision=precision)
    expected = Reference(SPEC, checkpoint).normed(ROWS[1])
    norms = np.linalg.norm(actual, axis=-1) * np.linalg.norm(expected, axis=-1)
    cosines = (actual * expected).sum(-1) / norms
    assert smallest < cosines.mean() < 1


def test_the_graph_is_small_and_holds_no_head(tmp_path: Path) -> None:
    read(tmp_path, SPECS["untied"], random_checkpoint(SPECS["untied"]), ROWS[:1])
    graph = onnx.load(tmp_path / "model.onnx", load_external_data=False).graph
    assert "last_hidden_state" in [value.name for value in graph.output]
    assert "logits" not in [value.name for value in graph.output]
    assert not [each.name for each in graph.initializer if each.name.startswith("head")]


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    tensors = dict(random_checkpoint().tensors)
    del tensors["model.norm.weight"]
    with pytest.raises(ExportError, match=r"model\.norm\.weight"):
        read(tmp_path, SPEC, Tiny(tensors), ROWS)
