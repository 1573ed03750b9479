"""Whole exports of decoders that embed or judge, without torch, and what is refused of them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from export.decoder.families import read_spec
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.embedder.verify import Expected
from export.errors import ExportError
from export.pipeline import Exported, run
from export.progress import Progress, Style
from export.recipe import Job
from service.store.manifest import Embedding, EncoderManifest, Manifest, read_manifest
from tests.tiny_embedders import CONFIG, END, PAD, write_embedder, write_ranker
from tests.unit.export.checkpoints.gguf import tiny_model
from tests.unit.export.checkpoints.gguf.tiny_model import ATTENTION, FFN, HEAD_DIM, HIDDEN, MLP
from tests.unit.export.checkpoints.writers import (
    GGML_Q8_0,
    MetadataInput,
    StoredTensor,
    gguf_bytes,
    write,
)


def export(job: Job) -> Exported:
    return run(job, Progress(io.StringIO(), Style.LINES))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(str(tmp_path / "source"), tmp_path / "models", name="tiny")


def manifest_of(exported: Exported) -> EncoderManifest:
    manifest = read_manifest(exported.folder)
    assert isinstance(manifest, EncoderManifest)
    return manifest


@pytest.mark.parametrize("is_bare", [True, False])
def test_an_embedder_of_safetensors(tmp_path: Path, job: Job, is_bare: bool) -> None:
    write_embedder(tmp_path / "source", is_bare=is_bare)
    exported = export(replace(job, precision=Precision.FP32))
    assert "cosine 0.99999" in exported.verification
    manifest = manifest_of(exported)
    assert manifest.embedding is not None
    assert (manifest.embedding.pooling, manifest.embedding.normalized) == ("lasttoken", True)
    assert manifest.embedding.prompts["query"] == "Instruct: find it\nQuery:"
    assert manifest.architecture.family == "qwen3"
    assert (manifest.context_length, manifest.tokens.pad) == (64, PAD)
    assert manifest.devices == ("cpu",)
    assert {each.form for each in manifest.weights} == {"float32"}


@pytest.mark.parametrize(
    ("precision", "stored"),
    [(None, "int8"), (Precision.INT8, "int8"), (Precision.INT4, "int4")],
)
def test_precisions_are_a_decoders(
    tmp_path: Path, job: Job, precision: Precision | None, stored: str
) -> None:
    write_embedder(tmp_path / "source")
    manifest = manifest_of(export(replace(job, precision=precision)))
    assert manifest.precision == stored
    bits = "4-bit" if stored == "int4" else "8-bit"
    assert any(each.form.startswith(bits) for each in manifest.weights)


def test_a_classifier_of_one_label_is_a_reranker(tmp_path: Path, job: Job) -> None:
    write_ranker(tmp_path / "source")
    exported = export(replace(job, precision=Precision.FP32))
    assert "scores before the sigmoid differ by" in exported.verification
    manifest = manifest_of(exported)
    assert (manifest.capabilities, manifest.embedding) == (("rerank",), None)


def test_a_classifier_that_pads_with_what_ends_a_text_is_refused(tmp_path: Path, job: Job) -> None:
    """transformers judges such a text at the token before."""
    write_ranker(tmp_path / "source", CONFIG | {"pad_token_id": END})
    with pytest.raises(ExportError, match="end with its padding token"):
        export(job)


def test_a_head_of_another_shape_is_named(tmp_path: Path, job: Job) -> None:
    source = tmp_path / "source"
    write_ranker(source)
    _change(source, id2label={"0": "a", "1": "b"})
    with pytest.raises(ExportError, match="classifier of 2 labels is no reranker"):
        export(job)
    write_embedder(source)  # weights without a head
    _change(source, architectures=["Qwen3ForSequenceClassification"], id2label={"0": "a"})
    with pytest.raises(ExportError, match=r"score\.weight"):
        export(job)


def test_one_that_attends_in_both_directions_is_refused(tmp_path: Path, job: Job) -> None:
    write_embedder(tmp_path / "source", CONFIG | {"is_causal": False})
    with pytest.raises(ExportError, match="attends in both directions is not supported"):
        export(job)


@pytest.mark.parametrize(
    ("job_changes", "option"),
    [
        ({"int8_prefill": True}, "--prefill int8"),
        ({"target": Target.CUDA}, "--for cuda"),
        ({"context_length": 32}, "--context"),
    ],
)
def test_options_for_text_generation_are_refused(
    tmp_path: Path, job: Job, job_changes: dict[str, object], option: str
) -> None:
    write_embedder(tmp_path / "source")
    with pytest.raises(ExportError, match=f"^{option} is for models that generate text"):
        export(replace(job, **job_changes))  # type: ignore[arg-type]


def test_a_graph_that_computes_something_else_is_refused(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As wrong weights in the reference would have it."""
    write_embedder(tmp_path / "source")
    spec = read_spec(CONFIG)
    scaled = replace(spec, scales=replace(spec.scales, branch=-1.0))
    monkeypatch.setattr(
        "export.embedder.recipe.Expected",
        lambda _, checkpoint, score: Expected(scaled, checkpoint, score),
    )
    with pytest.raises(ExportError, match="computes something else"):
        export(job)
    assert not (job.models / "tiny").exists()


def test_the_settings_beside_the_tokenizer_close_texts(tmp_path: Path, job: Job) -> None:
    write_embedder(tmp_path / "source", closes=False, tokenizer_config={"add_eos_token": True})
    document = json.loads((export(job).folder / "tokenizer.json").read_text())
    assert document["post_processor"]["single"][-1]["SpecialToken"]["id"] == "<|end|>"


def test_an_embedder_of_a_gguf_file(tmp_path: Path, job: Job) -> None:
    """Its blocks are carried; where llama.cpp ends texts, the tokenizer does."""
    path = _gguf(tmp_path, {"qwen3.pooling_type": 3, "tokenizer.ggml.add_eos_token": True})
    exported = export(replace(job, argument=str(path)))
    assert "cosine 0.99" in exported.verification
    manifest = manifest_of(exported)
    assert manifest.precision == "source"
    assert manifest.embedding == Embedding(dimensions=128, pooling="lasttoken", normalized=True)
    assert "Q8_0" in {each.encoding for each in manifest.weights}
    assert all(each.lossless for each in manifest.weights)
    tokenizer = Tokenizer.from_file(str(exported.folder / "tokenizer.json"))
    assert tokenizer.encode("ab").ids == [3, 4]


def test_a_gguf_file_without_a_pooling_generates_text(tmp_path: Path, job: Job) -> None:
    path = _gguf(tmp_path, {"tokenizer.ggml.add_eos_token": True})
    assert isinstance(read_manifest(export(replace(job, argument=str(path))).folder), Manifest)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"qwen3.pooling_type": 4}, "rerankers in GGUF files are not supported"),
        ({"qwen3.pooling_type": 9}, "no pooling that is known"),
        ({"qwen3.attention.causal": False}, "attends in both directions"),
    ],
)
def test_what_a_gguf_file_asks_for_in_vain(
    tmp_path: Path, job: Job, extra: dict[str, MetadataInput], message: str
) -> None:
    path = _gguf(tmp_path, extra)
    with pytest.raises(ExportError, match=message):
        export(replace(job, argument=str(path)))


def _gguf(folder: Path, extra: dict[str, MetadataInput]) -> Path:
    """A Qwen 3 with some of its weights in blocks; `extra` are keys of its metadata."""
    shapes = (
        ATTENTION | MLP | {"attn_q_norm.weight": (HEAD_DIM,), "attn_k_norm.weight": (HEAD_DIM,)}
    )
    blocks = np.random.default_rng(1).integers(0, 40, (FFN * HIDDEN // 32, 34), np.uint8)
    blocks[:, 1] = 0x1C  # scales of a few thousandths
    stored = tiny_model.tensors(2, shapes)
    for layer in range(2):
        gate = StoredTensor(GGML_Q8_0, (FFN, HIDDEN), blocks.tobytes())
        stored[f"blk.{layer}.ffn_gate.weight"] = gate
    metadata = tiny_model.metadata("qwen3", 2, {}) | extra
    return write(folder / "source.gguf", gguf_bytes(metadata, stored))


def _change(source: Path, **keys: object) -> None:
    path = source / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
