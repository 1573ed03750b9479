"""A downloaded model's folder, from which nothing outside it is ever read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line, read_json_object
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder as Hugging Face lays out a model."""

    path: Path
    outer: ModelFolder | None = None

    def inner(self, name: str) -> ModelFolder:
        """The folder of that name in this one; its files may lie wherever this one's may."""
        return ModelFolder(self.path / name, self)

    def find(self, name: str) -> Path | None:
        """The file of that plain name, None where there is none.

        Raises ExportError for a name with a path in it and for a link that leads out.
        """
        if not name or name in (".", "..") or not name.isprintable() or set(name) & set("/\\:"):
            raise ExportError(f"{self.path}: {one_line(name)!r} is not the name of a file in it")
        path = self.path / name
        try:
            if not path.is_file():
                return None
            real = path.resolve(strict=True)
            if not any(real.is_relative_to(root) for root in self._roots()):
                raise ExportError(f"{path}: the link leads out of the folder")
        except OSError as error:
            raise ExportError(f"{path}: cannot be read ({error.strerror or error})") from error
        return path

    def read_json(self, name: str) -> dict[str, JsonValue]:
        """The JSON object in that file, empty where there is no such file."""
        path = self.find(name)
        return {} if path is None else read_json_object(path)

    def names(self) -> list[str]:
        """The names of what lies in the folder, sorted."""
        try:
            return sorted(entry.name for entry in self.path.iterdir())
        except OSError as error:
            raise ExportError(f"{self.path}: cannot be read ({error.strerror})") from error

    def _roots(self) -> list[Path]:
        """Where files may really lie: here or, in huggingface_hub's cache, among its blobs.

        That cache keeps `<repo>/snapshots/<revision>/` as links into `<repo>/blobs/`.
        """
        if self.outer is not None:
            return self.outer._roots()
        here = self.path.resolve()
        if here.parent.name == "snapshots" and here.parent.parent.name.startswith("models--"):
            return [here, here.parent.parent / "blobs"]
        return [here]
