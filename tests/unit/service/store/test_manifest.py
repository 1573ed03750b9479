from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store.manifest import (
    MANIFEST_NAME,
    EncoderManifest,
    FileRecord,
    GenerationDefaults,
    Graphs,
    Manifest,
    read_manifest,
    write_manifest,
)
from tests.unit.service.store.samples import GRAPH, manifest

_HASH = "0123456789abcdef" * 4


def _written(folder: Path, **changes: object) -> None:
    """Writes the sample with top-level keys replaced; None removes one."""
    document = json.loads(msgspec.json.encode(manifest())) | changes
    kept = {key: value for key, value in document.items() if value is not None}
    (folder / MANIFEST_NAME).write_text(json.dumps(kept))


def _outcome(folder: Path) -> str:
    """The name of the manifest read, or why it was refused; no other error is allowed."""
    try:
        return read_manifest(folder).name
    except ValueError as error:
        return str(error)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    original = msgspec.structs.replace(
        manifest(),
        generation=GenerationDefaults(temperature=0.2, top_p=0.9),
        graphs=Graphs(decoder=GRAPH, prefill="prefill.onnx"),
        files={
            GRAPH: FileRecord(size=0, sha256=_HASH),
            "prefill.onnx": FileRecord(size=1 << 40, sha256=_HASH),
        },
    )
    write_manifest(tmp_path, original)
    assert read_manifest(tmp_path) == original


def test_the_file_is_text_for_people(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    text = (tmp_path / MANIFEST_NAME).read_text()
    assert text.endswith("}\n")
    assert '\n  "precision": "int8",' in text


def test_sizes_follow_from_the_facts() -> None:
    files = {name: FileRecord(size=10, sha256=_HASH) for name in (GRAPH, "b")}
    sized = manifest(files=files)
    assert sized.weights_bytes == 20
    # 2 layers, keys and values, 2 heads of 16, 4 bytes each
    assert sized.architecture.kv_bytes_per_token == 2 * 2 * 2 * 16 * 4
    halved = msgspec.structs.replace(sized.architecture, kv_dtype="float16")
    assert halved.kv_bytes_per_token == 2 * 2 * 2 * 16 * 2


def test_no_manifest_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path)


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
def test_another_version_is_named_even_if_all_else_differs(tmp_path: Path, version: int) -> None:
    (tmp_path / MANIFEST_NAME).write_text(json.dumps({"format": version, "new": ["thing"]}))
    with pytest.raises(ValueError, match=f"format {version}, this version reads format 1"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": None},
        {"format": "1"},
        {"format": True},
        {"name": None},
        {"name": 5},
        {"unknown": 1},
        {"context_length": 0},
        {"context_length": 1.5},
        {"context_length": "64"},
        {"architecture": {}},
        {"tokens": {"eos": [-1]}},
        {"tokens": {"eos": 2}},
        {"graphs": {}},
        {"graphs": {"decoder": "../model.onnx"}},
        {"graphs": {"decoder": "other.onnx"}},
        {"graphs": {"decoder": GRAPH, "prefill": "prefill.onnx"}},
        {"files": []},
        {"files": {}},
        {"files": {GRAPH: {"size": 1}}},
        {"files": {GRAPH: {"size": -1, "sha256": _HASH}}},
        {"files": {GRAPH: {"size": 1, "sha256": _HASH[:-1]}}},
        {"files": {GRAPH: {"size": 1, "sha256": _HASH + "\n"}}},
        {"files": {GRAPH: {"size": 1, "sha256": _HASH.upper()}}},
    ],
    ids=str,
)
def test_a_malformed_manifest_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    _written(tmp_path, **changes)
    with pytest.raises(ValueError, match=r"malformed") as refused:
        read_manifest(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "file", ["", "..", ".hidden", "a/b", "a\\b", "/etc/passwd", "a\n", "a" * 101, "C:x", "ä"]
)
def test_a_file_name_cannot_lead_out_of_the_package(tmp_path: Path, file: str) -> None:
    record = {"size": 1, "sha256": _HASH}
    _written(tmp_path, files={GRAPH: record, file: record})
    with pytest.raises(ValueError, match="malformed"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ValueError, match="malformed"):
        read_manifest(tmp_path)


def _encoder(**changes: object) -> dict[str, object]:
    """An embedding model's manifest as JSON, with top-level keys replaced; None removes one."""
    shared = json.loads(msgspec.json.encode(manifest()))
    document = {key: shared[key] for key in ("name", "created", "source", "precision", "files")}
    document |= {
        "format": 1,
        "kind": "encoder",
        "context_length": 64,
        "architecture": {"family": "bert", "num_layers": 2, "hidden_size": 8, "vocab_size": 50},
        "tokens": {"pad": 0},
        "graphs": {"encoder": GRAPH},
        "capabilities": ["embedding"],
        "embedding": {"dimensions": 8, "pooling": "mean", "normalized": True},
    }
    return {key: value for key, value in (document | changes).items() if value is not None}


def test_an_encoder_says_that_it_is_one(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(_encoder()))
    read = read_manifest(tmp_path)
    assert isinstance(read, EncoderManifest)
    assert read.embedding is not None
    assert (read.embedding.pooling, read.embedding.matryoshka) == ("mean", False)
    assert read.weights_bytes == 1
    write_manifest(tmp_path, read)
    assert read_manifest(tmp_path) == read


def test_a_cross_encoder_has_no_embedding(tmp_path: Path) -> None:
    ranker = _encoder(embedding=None, capabilities=["rerank"])
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(ranker))
    read = read_manifest(tmp_path)
    assert isinstance(read, EncoderManifest)
    assert read.capabilities == ("rerank",)


def test_a_manifest_that_names_no_kind_is_a_decoders(tmp_path: Path) -> None:
    _written(tmp_path, kind=None)
    assert isinstance(read_manifest(tmp_path), Manifest)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "other"},
        {"kind": 1},
        {"kind": "decoder"},
        {"kind": None},
        {"capabilities": ["rerank"]},
        {"capabilities": ["embedding", "rerank"]},
        {"capabilities": ["chat"]},
        {"embedding": None},
        {"graphs": {"encoder": "other.onnx"}},
        {"graphs": {"decoder": GRAPH}},
        {"embedding": {"dimensions": 8, "pooling": "median", "normalized": True}},
        {"embedding": {"dimensions": 8, "pooling": "cls"}},
        {
            "embedding": {
                "dimensions": 8,
                "pooling": "cls",
                "normalized": True,
                "matryoshka_dimensions": [16],
            }
        },
        {
            "embedding": {
                "dimensions": 8,
                "pooling": "cls",
                "normalized": True,
                "default_prompt": "query",
            }
        },
    ],
    ids=str,
)
def test_a_malformed_encoder_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(_encoder(**changes)))
    with pytest.raises(ValueError, match=r"malformed") as refused:
        read_manifest(tmp_path)
    assert "\n" not in str(refused.value)


def test_deep_nesting_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b'{"format": 1, "x": ' + b'{"y":' * 50_000)
    with pytest.raises(ValueError, match="malformed"):
        read_manifest(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.integers(0, 2000), st.binary(max_size=6))
def test_a_manifest_with_bytes_overwritten_is_read_or_refused(
    tmp_path: Path, position: int, patch: bytes
) -> None:
    content = bytearray(msgspec.json.encode(manifest()))
    start = position % len(content)
    content[start : start + len(patch)] = patch
    (tmp_path / MANIFEST_NAME).write_bytes(bytes(content))
    assert _outcome(tmp_path).isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.integers(0, 2000))
def test_a_manifest_cut_off_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    content = msgspec.json.encode(manifest())
    (tmp_path / MANIFEST_NAME).write_bytes(content[: length % len(content)])
    with pytest.raises(ValueError, match="malformed"):
        read_manifest(tmp_path)
