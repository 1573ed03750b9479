"""Stores of tiny models, and pools over them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from service.pool import ModelPool
from service.pool.requirement import requirement_of
from service.runtime.providers import CPU, Device
from service.settings import Settings
from service.store.manifest import read_manifest, write_manifest
from service.store.packages import Package, Store
from tests.unit.service.encoder.conftest import EMBEDDER, STORE

NAME = "smollm2:135m"


def tiny_store(root: Path, *names: str) -> Path:
    """The tiny embedder under each name, as packages that differ."""
    for name in names:
        folder = root / name / "latest"
        shutil.copytree(STORE / EMBEDDER / "latest", folder)
        write_manifest(folder, msgspec.structs.replace(read_manifest(folder), name=name))
    return root


def linked_package(package: Package, root: Path, name: str) -> Package:
    """The same files under another name, as a package of its own."""
    folder = root / name / "latest"
    folder.mkdir(parents=True)
    for path in package.folder.iterdir():
        os.link(path, folder / path.name)
    (folder / "manifest.json").unlink()
    write_manifest(folder, msgspec.structs.replace(package.manifest, name=name))
    return Store(root).decoder(name)


def tiny_size(root: Path, name: str) -> int:
    """What a tiny embedder reserves."""
    package = Store(root).encoder(name)
    context = package.manifest.context_length
    return requirement_of(package, CPU, Settings(), context).total_bytes


def pool_of(models: Path, **settings: object) -> ModelPool:
    given = {"models_folder": models, "device": "cpu", "slots": 2, "context_length": 128}
    return ModelPool(Settings(**{**given, **settings}), Device(CPU, "asked for"))  # type: ignore[arg-type]


@asynccontextmanager
async def opened(models: Path, **settings: object) -> AsyncIterator[ModelPool]:
    pool = pool_of(models, **settings)
    try:
        yield pool
    finally:
        await pool.close()


def loaded_names(pool: ModelPool) -> set[str]:
    return {health.name for health in pool.health().models}
