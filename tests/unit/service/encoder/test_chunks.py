"""A long text that is read in chunks has the vector that it has read at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.decoder.families import read_spec
from export.decoder.precision import Precision
from export.decoder.reading import build_reader
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Floats, Weights
from service.encoder.runner import CHUNK, EncoderRunner
from service.encoder.tokens import Tokens
from service.errors import PackageCorrupt
from service.runtime.providers import CPU
from service.runtime.sessions import physical_cores, share_threads
from service.store.manifest import (
    Embedding,
    EncoderArchitecture,
    EncoderGraphs,
    EncoderManifest,
    EncoderTokens,
    FileRecord,
    Pooling,
    Source,
)
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import random_checkpoint

LENGTH = 2 * CHUNK + 77
TOKENS = [int(token) for token in np.random.default_rng(5).integers(0, 80, LENGTH)]
SPECS = {
    name: read_spec(CONFIGS[name] | {"max_position_embeddings": 2 * LENGTH, "sliding_window": 100})
    for name in ("qwen3", "mistral")
}


@pytest.fixture(autouse=True)
def _shared_threads() -> None:
    share_threads(physical_cores())


def _write(folder: Path, spec: DecoderSpec, score: Floats | None = None) -> None:
    weights = Weights(spec, random_checkpoint(spec))
    with TensorFile(folder / "model.onnx.data") as tensors:
        model = build_reader(weights, Precision.FP32, tensors, score=score)
    onnx.save(model, folder / "model.onnx")


def _manifest(spec: DecoderSpec, pooling: Pooling | None) -> EncoderManifest:
    size = spec.hidden_size
    embedding = pooling and Embedding(dimensions=size, pooling=pooling, normalized=False)
    return EncoderManifest(
        kind="encoder",
        name="tiny",
        created=0,
        source=Source(kind="test", location=""),
        precision="fp32",
        context_length=spec.context_length,
        architecture=EncoderArchitecture(
            family=spec.family, num_layers=2, hidden_size=size, vocab_size=spec.vocab_size
        ),
        tokens=EncoderTokens(pad=0),
        graphs=EncoderGraphs(encoder="model.onnx", devices=("cpu",)),
        capabilities=("rerank",) if pooling is None else ("embedding",),
        embedding=embedding,
        files={"model.onnx": FileRecord(size=0, sha256="0" * 64)},
    )


def _runner(
    folder: Path, spec: DecoderSpec, pooling: Pooling | None, score: Floats | None = None
) -> EncoderRunner:
    _write(folder, spec, score)
    return EncoderRunner(folder, _manifest(spec, pooling), CPU)


def _tokens(token_ids: list[int]) -> Tokens:
    return Tokens(token_ids, len(token_ids))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("pooling", ["lasttoken", "mean"])
def test_vectors_are_those_of_the_weights(tmp_path: Path, name: str, pooling: Pooling) -> None:
    spec = SPECS[name]
    runner = _runner(tmp_path, spec, pooling)
    hidden = Reference(spec, random_checkpoint(spec)).normed(TOKENS)
    for length in (CHUNK, CHUNK + 1, LENGTH):
        (vector,) = runner.run([_tokens(TOKENS[:length])])
        rows = hidden[:length]
        expected = rows[-1] if pooling == "lasttoken" else rows.mean(0)
        np.testing.assert_allclose(vector, expected, atol=2e-4)


def test_so_are_scores(tmp_path: Path) -> None:
    spec = SPECS["qwen3"]
    score = (np.random.default_rng(3).standard_normal((1, 64)) / 8).astype(np.float32)
    runner = _runner(tmp_path, spec, None, score)
    hidden = Reference(spec, random_checkpoint(spec)).normed(TOKENS)
    for length in (1, CHUNK + 1, LENGTH):
        ((logit,),) = runner.run([_tokens(TOKENS[:length])])
        assert logit == pytest.approx(float(hidden[length - 1] @ score[0]), abs=2e-4)


def test_a_cache_that_is_not_kept_so_is_no_encoders(tmp_path: Path) -> None:
    spec = SPECS["qwen3"]
    _write(tmp_path, spec)
    model = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    past = next(value for value in model.graph.input if value.name == "past_key_values.0.key")
    past.type.tensor_type.shape.dim[1].dim_param = "heads"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(PackageCorrupt, match="is no encoder: it goes from"):
        EncoderRunner(tmp_path, _manifest(spec, "lasttoken"), CPU)
