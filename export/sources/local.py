"""Weights that are on this disk already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError
from export.progress import Progress
from export.sources.base import Fetched, Origin
from export.sources.genai_files import GENAI_CONFIG
from service.store.files import hash_file

_PICKLED_SUFFIXES = (".bin", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class FileSource:
    """One GGUF file."""

    path: Path

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:  # noqa: ARG002 (Source)
        """The file where it lies, hashed. Raises ExportError where it cannot be read."""
        return _gguf_file(self.path, progress)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder as a model repository lays it out, or one that holds a single GGUF file."""

    path: Path

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:  # noqa: ARG002 (Source)
        """The folder, or its one GGUF file. Raises ExportError where it holds neither."""
        try:
            names = sorted(path.name for path in self.path.iterdir() if path.is_file())
        except OSError as error:
            raise ExportError(f"cannot read {self.path}: {error.strerror}") from error
        has_weights = any(name.endswith(".safetensors") for name in names)
        if ("config.json" in names and has_weights) or (GENAI_CONFIG in names and not has_weights):
            origin = Origin(kind="folder", location=self.path.resolve().name)
            return Fetched(self.path, origin)
        gguf_names = [name for name in names if name.lower().endswith(".gguf")]
        if len(gguf_names) == 1:
            return _gguf_file(self.path / gguf_names[0], progress)
        raise ExportError(f"{self.path} {_what_is_wrong(names, gguf_names)}")


def _what_is_wrong(names: list[str], gguf_names: list[str]) -> str:
    if gguf_names:
        return f"holds several GGUF files, name one of them: {', '.join(gguf_names)}"
    if any(name.endswith(".safetensors") for name in names):
        return "holds safetensors but no config.json"
    if any(name.endswith(_PICKLED_SUFFIXES) for name in names):
        return "holds pickled weights only, which are not read: save them as safetensors"
    return (
        "holds no model: expected config.json and *.safetensors, one *.gguf, or an ONNX model with "
        f"its {GENAI_CONFIG}"
    )


def _gguf_file(path: Path, progress: Progress) -> Fetched:
    try:
        with progress.step(f"hashing {path.name}", path.stat().st_size) as step:
            sha256 = hash_file(path, step.advance)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror}") from error
    return Fetched(path, Origin(kind="file", location=path.name, sha256=sha256))
