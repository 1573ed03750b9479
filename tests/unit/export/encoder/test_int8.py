"""Int8 linears on the tiny embedder's graph: close to float32, and the same for every neighbour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.encoder.int8 import quantize_linears
from export.encoder.written import Floats, Row, WrittenEncoder

FOLDER = Path(__file__).parents[3] / "golden" / "tiny_encoders" / "tiny-embedder" / "latest"
TEXTS = ["a", "What is glass?", "water, and the rest", "the the the the of"]


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = onnx.load(FOLDER / "model.onnx")
    # Two layers of query, key, value, output, and two of the MLP.
    assert quantize_linears(model) == 12
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    onnx.save(model, path)
    return path


def vectors(graph: Path, *, alone: bool) -> list[Floats]:
    encoder = WrittenEncoder(graph, FOLDER / "tokenizer.json", 0)
    rows: list[Row] = encoder.encode(TEXTS)
    if alone:
        return [encoder.compute([row])[0].mean(0) for row in rows]
    return [values.mean(0) for values in encoder.compute(rows)]


def test_vectors_are_close_to_float32s(quantized: Path) -> None:
    for exact, rounded in zip(
        vectors(FOLDER / "model.onnx", alone=True), vectors(quantized, alone=True), strict=True
    ):
        cosine = exact @ rounded / np.linalg.norm(exact) / np.linalg.norm(rounded)
        assert 0.98 < cosine < 1
        assert not np.array_equal(exact, rounded)


def test_a_vector_does_not_depend_on_its_neighbours(quantized: Path) -> None:
    for alone, batched in zip(
        vectors(quantized, alone=True), vectors(quantized, alone=False), strict=True
    ):
        np.testing.assert_allclose(alone, batched, atol=1e-5)


def test_the_float_weights_are_gone(quantized: Path) -> None:
    model = onnx.load(quantized)
    matrices = [
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    ]
    assert all("embedding" in name for name in matrices), matrices
