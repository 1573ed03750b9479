"""Weights that are on the disk already."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from export.errors import ExportError
from export.progress import Progress, Style
from export.sources.base import Fetched
from export.sources.local import FileSource, FolderSource


def fetch(source: FileSource | FolderSource) -> Fetched:
    return source.fetch(Path("unused"), Progress(io.StringIO(), Style.LINES))


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"GGUF")
    return folder


def test_a_file_stays_where_it_is_and_is_hashed(tmp_path: Path) -> None:
    path = fill(tmp_path, "tiny.gguf") / "tiny.gguf"
    fetched = fetch(FileSource(path))
    assert fetched.path == path
    assert fetched.origin.kind == "file"
    assert fetched.origin.sha256 == hashlib.sha256(b"GGUF").hexdigest()


def test_the_origin_does_not_tell_where_on_this_machine(tmp_path: Path) -> None:
    folder = fill(tmp_path, "config.json", "model.safetensors", "tiny.gguf")
    assert fetch(FolderSource(folder)).origin.location == tmp_path.name
    assert fetch(FileSource(folder / "tiny.gguf")).origin.location == "tiny.gguf"


def test_a_folder_of_safetensors_wins_over_a_gguf_in_it(tmp_path: Path) -> None:
    folder = fill(tmp_path, "config.json", "model.safetensors", "tiny.gguf")
    fetched = fetch(FolderSource(folder))
    assert fetched.path == folder
    assert fetched.origin.kind == "folder"


def test_a_folder_with_one_gguf_is_that_file(tmp_path: Path) -> None:
    fetched = fetch(FolderSource(fill(tmp_path, "config.json", "tiny.gguf")))
    assert fetched.path == tmp_path / "tiny.gguf"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "holds no model"),
        (("config.json",), "holds no model"),
        (("a.gguf", "b.gguf"), "name one of them: a.gguf, b.gguf"),
        (("model.safetensors",), "no config.json"),
        (("config.json", "pytorch_model.bin"), "pickled"),
    ],
)
def test_a_folder_without_a_model(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        fetch(FolderSource(fill(tmp_path, *names)))


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot read"):
        fetch(FileSource(tmp_path / "gone.gguf"))
    with pytest.raises(ExportError, match="cannot read"):
        fetch(FolderSource(tmp_path / "gone"))
