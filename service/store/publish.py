"""Publishing a package: built beside its place, then moved there in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from service.store.names import ModelName

_STAGING = ".staging"
"""Below the store itself, so that moving from it is a rename on one file system."""


@contextmanager
def staged(root: Path, name: ModelName, on_wait: Callable[[], None]) -> Iterator[Path]:
    """An empty folder to build the package `name` in; leaving it normally publishes it.

    The package replaces an older one of its name whole. A process killed on the way leaves the
    old one, or for the moment between two renames none, and the next export puts it back. Only
    one process builds a name at a time; `on_wait` is called when another does. The lock is the
    operating system's and dies with its holder, and what a killed one left is cleared.
    Raises OSError.
    """
    staging = root / _STAGING
    staging.mkdir(parents=True, exist_ok=True)
    key = "--".join((*name.path, name.tag))
    with _held(FileLock(staging / f"{key}.lock"), on_wait):
        work = staging / key
        retired = staging / f"{key}.old"
        target = root / name.folder
        if retired.exists() and not target.exists():
            retired.rename(target)
        for leftover in (work, retired):
            shutil.rmtree(leftover, ignore_errors=True)
        work.mkdir()
        try:
            yield work
            _publish(work, target, retired)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def _held(lock: FileLock, on_wait: Callable[[], None]) -> Iterator[None]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _publish(work: Path, target: Path, retired: Path) -> None:
    for path in work.iterdir():
        _sync(path)
    _sync(work)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(retired)
    work.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Has the file or folder written through. Windows cannot open a folder and needs not to."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
