from __future__ import annotations

from pathlib import Path

import pytest

from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.checkpoints.open import open_checkpoint
from export.checkpoints.safetensors import SafetensorsCheckpoint
from export.errors import ExportError
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.writers import safetensors_bytes, write


def test_a_folder_with_safetensors(tmp_path: Path) -> None:
    write(tmp_path / "config.json", b"{}")
    write(tmp_path / "model.safetensors", safetensors_bytes({}))
    assert isinstance(open_checkpoint(tmp_path), SafetensorsCheckpoint)


@pytest.mark.parametrize("name", ["model.gguf", "MODEL.GGUF"])
def test_a_gguf_file_by_name_or_alone_in_its_folder(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, tiny_llama.content())
    write(tmp_path / "README.md", b"x")
    assert isinstance(open_checkpoint(path), GgufCheckpoint)
    assert isinstance(open_checkpoint(tmp_path), GgufCheckpoint)


def test_one_gguf_file_of_several_has_to_be_named(tmp_path: Path) -> None:
    for name in ("Q4.gguf", "Q8.gguf"):
        write(tmp_path / name, tiny_llama.content())
    with pytest.raises(ExportError, match=r"holds 2 GGUF files; name one of them: Q4.gguf, Q8"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (("pytorch_model.bin", "config.json"), r"pytorch_model\.bin would have to be unpickled"),
        (("a.pt", "b.pth", "c.ckpt", "d.bin", "e.pt"), r"a\.pt, b\.pth, .*and 1 more would have"),
        (("tf_model.h5",), r"found tf_model\.h5, but model\.safetensors.* were looked for"),
        (("other.safetensors",), r"found other\.safetensors, but"),
        (("config.json",), r"no weights that can be read; model\.safetensors, .* looked for"),
        ((), "no weights that can be read"),
    ],
)
def test_a_folder_without_weights_says_what_is_there(
    tmp_path: Path, files: tuple[str, ...], problem: str
) -> None:
    for name in files:
        write(tmp_path / name, b"x")
    with pytest.raises(ExportError, match=problem):
        open_checkpoint(tmp_path)


def test_paths_that_are_neither_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no such file or folder"):
        open_checkpoint(tmp_path / "missing")
    with pytest.raises(ExportError, match=r"give the folder it lies in"):
        open_checkpoint(write(tmp_path / "model.safetensors", b"x"))
    with pytest.raises(ExportError, match=r"neither a folder nor a \.gguf file"):
        open_checkpoint(write(tmp_path / "model.zip", b"x"))
