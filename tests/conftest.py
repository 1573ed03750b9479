"""Real weights for the tests: the embedded default model, fetched and exported once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from export.decoder.precision import Precision
from export.pipeline import DOWNLOADS
from export.progress import Progress
from export.sources.resolver import resolve
from service.store.names import ModelName
from service.store.packages import Package, Store

ROOT = Path(__file__).parents[1]

CACHE = Path(__file__).parent / ".cache"
"""Kept between runs and ignored by git; delete it to start afresh."""

MODEL = "smollm2:135m"
FP32_MODEL = "smollm2:135m-fp32"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The service runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The default model's weights, a Q4_1 GGUF of 98 MB."""
    return resolve(MODEL).fetch(CACHE / DOWNLOADS, Progress.on(sys.stderr)).path


@pytest.fixture(scope="session")
def smollm2_package(smollm2_gguf: Path) -> Package:
    """The default model exported as `python -m export smollm2:135m` does."""
    return _package(MODEL, None)


@pytest.fixture(scope="session")
def smollm2_fp32_package(smollm2_gguf: Path) -> Package:
    """The default model in float32, where all ways of computing agree closely."""
    return _package(FP32_MODEL, Precision.FP32)


def _package(name: str, precision: Precision | None) -> Package:
    _forget_packages_of_other_code()
    store = Store(CACHE)
    installed = {str(package.name) for package in store.packages()}
    if str(ModelName.parse(name)) not in installed:
        _export(name, precision)
    return store.decoder(name)


def _export(name: str, precision: Precision | None) -> None:
    """In a process of its own: verifying wants ONNX Runtime before it shares its threads."""
    command = [sys.executable, "-m", "export", MODEL, "--name", name, "--models", str(CACHE)]
    if precision is not None:
        command += ["--precision", precision.value]
    subprocess.run(command, check=True, cwd=ROOT)


def _forget_packages_of_other_code() -> None:
    """Deletes cached packages that an earlier state of the exporter made."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "export").rglob("*.py")):
        digest.update(path.read_bytes())
    stamp = CACHE / "exporter.sha256"
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    for package in Store(CACHE).packages():
        shutil.rmtree(package.folder)
    stamp.write_text(digest.hexdigest())
