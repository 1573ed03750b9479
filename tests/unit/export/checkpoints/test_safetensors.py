from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from export.checkpoints.folder import ModelFolder
from export.checkpoints.safetensors import SafetensorsCheckpoint
from export.errors import ExportError
from tests.unit.export.checkpoints.writers import safetensors_bytes, write

VALUE = b"\0\0\x80\x3f"
needs_links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")


def weights(*names: str) -> bytes:
    return safetensors_bytes(dict.fromkeys(names, ("F32", (1,), VALUE)))


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    write(path / "config.json", b'{"model_type": "llama"}')
    return path


def make_sharded(path: Path, weight_map: object) -> Path:
    make_folder(path)
    write(path / "one.safetensors", weights("a", "b"))
    write(path / "two.safetensors", weights("c"))
    index = json.dumps({"metadata": {}, "weight_map": weight_map}).encode()
    write(path / "model.safetensors.index.json", index)
    return path


def open_folder(path: Path) -> SafetensorsCheckpoint:
    return SafetensorsCheckpoint(ModelFolder(path))


def test_one_file_is_read(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write(folder / "model.safetensors", weights("a", "b"))
    write(folder / "generation_config.json", b'{"top_p": 0.9}')
    checkpoint = open_folder(folder)
    assert checkpoint.config == {"model_type": "llama"}
    assert checkpoint.generation_config == {"top_p": 0.9}
    assert checkpoint.names() == {"a", "b"}
    assert checkpoint.tensor("b").data.tolist() == [1.0]


def test_shards_are_read_as_their_index_says(tmp_path: Path) -> None:
    names = {"a": "one.safetensors", "c": "two.safetensors"}
    checkpoint = open_folder(make_sharded(tmp_path, names))
    assert checkpoint.generation_config == {}
    assert checkpoint.names() == {"a", "c"}
    assert checkpoint.tensor("c").data.tolist() == [1.0]


def test_a_name_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write(folder / "model.safetensors", weights("a"))
    with pytest.raises(ExportError, match="there is no tensor 'lm_head'"):
        open_folder(folder).tensor("lm_head")


@pytest.mark.parametrize(
    ("weight_map", "problem"),
    [
        ({"a": "three.safetensors"}, r"'three.safetensors', named by .*, is missing"),
        ({"a": "two.safetensors"}, "two.safetensors: there is no tensor 'a'"),
        ({"a": "../one.safetensors"}, "is not the name of a file in it"),
        ({"a": "/etc/one.safetensors"}, "is not the name of a file in it"),
        ({"a": "..\\one.safetensors"}, "is not the name of a file in it"),
        ({"a": "C:one.safetensors"}, "is not the name of a file in it"),
        ({"a": "one\0.safetensors"}, "is not the name of a file in it"),
        ({"a": "pytorch_model.bin"}, "'a' is not in a safetensors file"),
        ({"a": 5}, "'a' is not in a safetensors file"),
        ({}, "there is no 'weight_map'"),
        (["one.safetensors"], "there is no 'weight_map'"),
        (None, "there is no 'weight_map'"),
    ],
)
def test_a_wrong_index_is_refused(tmp_path: Path, weight_map: object, problem: str) -> None:
    with pytest.raises(ExportError, match=problem):
        open_folder(make_sharded(tmp_path, weight_map))


@needs_links
def test_a_shard_that_links_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = make_sharded(tmp_path / "model", {"a": "link.safetensors"})
    outside = write(tmp_path / "secret", weights("a"))
    (folder / "link.safetensors").symlink_to(outside)
    with pytest.raises(ExportError, match="the link leads out of the folder"):
        open_folder(folder)


@needs_links
def test_the_links_of_the_hub_cache_are_followed(tmp_path: Path) -> None:
    repo = tmp_path / "models--org--name"
    folder = make_folder(repo / "snapshots" / "0123")
    (repo / "blobs").mkdir()
    write(repo / "blobs" / "beef", weights("a"))
    (folder / "model.safetensors").symlink_to("../../blobs/beef")
    assert open_folder(folder).names() == {"a"}


@needs_links
def test_the_hub_cache_does_not_open_the_rest_of_the_disk(tmp_path: Path) -> None:
    repo = tmp_path / "models--org--name"
    folder = make_folder(repo / "snapshots" / "0123")
    outside = write(tmp_path / "secret", weights("a"))
    (folder / "model.safetensors").symlink_to(outside)
    with pytest.raises(ExportError, match="the link leads out of the folder"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "there is no config.json"), (b"[]", "a JSON object"), (b"{", "not valid JSON")],
)
def test_a_config_is_required(tmp_path: Path, content: bytes | None, problem: str) -> None:
    write(tmp_path / "model.safetensors", weights("a"))
    if content is not None:
        write(tmp_path / "config.json", content)
    with pytest.raises(ExportError, match=problem):
        open_folder(tmp_path)
