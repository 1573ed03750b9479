"""What every family of figures is given: packages, weights of the rival, threads, rounds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from export.pipeline import DOWNLOADS
from export.progress import Progress
from export.sources.resolver import resolve
from service.errors import ModelNotFound
from service.store.packages import AnyPackage, EncoderPackage, Package, Store

MODEL = "smollm2:135m"
CLIENTS = 8

CACHE = Path(__file__).parent / ".cache"
"""Packages that the benchmark makes for itself; ignored by git."""

_EXPORT = Path(__file__).parents[1] / "export"


class SetupError(Exception):
    """A package could not be made; the message is one line."""


class Variant(Enum):
    """The packages that are compared: those of one model by what is added to its name, and an
    embedding model by its own."""

    DEFAULT = ""
    INT8_PREFILL = "-p8"
    INT8 = "-int8"
    INT4 = "-int4"
    FP16 = "-fp16"
    FP32 = "-fp32"
    EMBEDDER = "all-minilm"

    @property
    def package_name(self) -> str:
        own: str = self.value
        return own if self is Variant.EMBEDDER else MODEL + own

    @property
    def export_arguments(self) -> tuple[str, ...]:
        """What `python -m export` is told."""
        named = (MODEL, "--name", self.package_name)
        match self:
            case Variant.EMBEDDER:
                return (self.value,)
            case Variant.DEFAULT:
                return named
            case Variant.INT8_PREFILL:
                return (*named, "--prefill", "int8")
            case _:
                return (*named, "--precision", self.value.removeprefix("-"))


@dataclass(frozen=True, slots=True)
class Setup:
    """`models` is a store; `rounds` is for rates, and slow figures take fewer."""

    models: Path
    threads: int
    rounds: int

    @property
    def slow_rounds(self) -> int:
        """Rounds of what takes seconds and varies little."""
        return min(self.rounds, 3)

    @property
    def downloads(self) -> Path:
        """What exports have fetched."""
        return self.models / DOWNLOADS

    def package(self, variant: Variant) -> Package:
        """Raises ModelNotFound if `provide` has not made it."""
        return Store(self.models).decoder(variant.package_name)

    def encoder(self, variant: Variant) -> EncoderPackage:
        """As `package`, for an embedding model."""
        return Store(self.models).encoder(variant.package_name)

    def weights(self, variant: Variant) -> Path:
        """The folder that the package of an embedding model was made of."""
        source = resolve(variant.package_name)
        return source.fetch(self.downloads, Progress.on(sys.stderr)).path

    def gguf(self) -> Path:
        """The weights that all packages are made of, as llama.cpp takes them."""
        return resolve(MODEL).fetch(self.downloads, Progress.on(sys.stderr)).path

    def provide(self, variant: Variant) -> AnyPackage:
        """The package, exported if there is none.

        In `CACHE` one that is older than the exporter is made again; elsewhere packages are their
        owner's and are taken as they are. Raises SetupError.
        """
        try:
            package = Store(self.models).find(variant.package_name)
        except ModelNotFound:
            return self._exported(variant)
        if self.models == CACHE and package.manifest.created < _newest_change_s(_EXPORT):
            return self._exported(variant)
        return package

    def _exported(self, variant: Variant) -> AnyPackage:
        # A process of its own: what exporting takes in memory should be gone when measuring.
        command = [sys.executable, "-m", "export", *variant.export_arguments]
        print(f"exporting {variant.package_name}", file=sys.stderr)
        finished = subprocess.run([*command, "--models", str(self.models)], stdout=sys.stderr)
        if finished.returncode:
            raise SetupError(f"{variant.package_name} could not be exported")
        return Store(self.models).find(variant.package_name)


def _newest_change_s(folder: Path) -> float:
    """When a file of the program in `folder` was last changed, in seconds since the epoch."""
    files = [path for path in folder.rglob("*") if path.suffix in {".py", ".toml"}]
    return max(path.stat().st_mtime for path in files)
