"""What the pipeline needs of each kind of model: how it is built, verified and described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from export.catalog import Entry
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.progress import Progress
from export.sources.base import Fetched
from service.store.manifest import AnyManifest, FileRecord, Quality, Source


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for; None leaves a choice to the source."""

    argument: str
    models: Path
    precision: Precision | None = None
    name: str | None = None
    revision: str | None = None
    offline: bool = False
    int8_prefill: bool = False
    target: Target = Target.CPU
    context_length: int | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """The job, the weights fetched for it, and the catalogue's row if one led to them."""

    job: Job
    fetched: Fetched
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a manifest says that is the same for every kind of model."""

    name: str
    created: int
    source: Source
    files: dict[str, FileRecord]
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the weights: for people, and for the manifest where it was measured."""

    summary: str
    quality: Quality | None = None


class Recipe(Protocol):
    """One model on its way to a package; what could be refused before the long part was."""

    @property
    def precision(self) -> Precision: ...

    @property
    def package_bytes(self) -> int:
        """A generous guess at the size of the package."""
        ...

    def build(self, folder: Path, progress: Progress) -> Outcome:
        """Writes all files but the manifest, and verifies them as they were written.

        Raises ExportError.
        """
        ...

    def manifest(self, facts: Facts) -> AnyManifest:
        """The package's description, once `build` is done."""
        ...
