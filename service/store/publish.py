"""Publishing a package: built beside its place, then moved there in one step."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from service.store.manifest import MANIFEST_NAME
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
    Raises OSError, FileExistsError where the package's place holds something else.
    """
    staging = root / _STAGING
    staging.mkdir(parents=True, exist_ok=True)
    key = _key(name)
    with _held(FileLock(staging / f"{key}.lock"), on_wait):
        place = _Place(root / name.folder, staging / key, staging / f"{key}.old")
        place.recover()
        _refuse_foreign(root, name)
        place.work.mkdir()
        try:
            yield place.work
            place.publish()
        finally:
            place.recover()


@dataclass(frozen=True, slots=True)
class _Place:
    """The folders of one name: the published one, the one in work, the one being replaced."""

    target: Path
    work: Path
    retired: Path

    def recover(self) -> None:
        """Puts an old package back that nothing has replaced, and clears what is left over."""
        if self.retired.exists() and not self.target.exists():
            self.retired.rename(self.target)
        for leftover in (self.work, self.retired):
            shutil.rmtree(leftover, ignore_errors=True)

    def publish(self) -> None:
        for path in self.work.iterdir():
            _sync(path)
        _sync(self.work)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if self.target.exists():
            self.target.rename(self.retired)
        self.work.rename(self.target)
        _sync(self.target.parent)


def _key(name: ModelName) -> str:
    """A file name of its own for every name, short even where the name is long."""
    return f"{name.path[-1][:40]}-{hashlib.sha256(str(name).encode()).hexdigest()[:16]}"


def _refuse_foreign(root: Path, name: ModelName) -> None:
    """Raises FileExistsError where publishing `name` would replace more than its own package.

    `a:b` lies in the folder `a/b`, in which `a/b:c` would lie too.
    """
    target = root / name.folder
    for outer in (root.joinpath(*name.folder.parts[:i]) for i in range(1, len(name.folder.parts))):
        if (outer / MANIFEST_NAME).exists():
            raise _occupied(name, outer, "a package is there already")
    if not target.exists():
        return
    if not target.is_dir():
        raise _occupied(name, target, "it is a file")
    children = list(target.iterdir())
    if any(child.is_dir() for child in children):
        raise _occupied(name, target, "other folders are in it")
    if children and not (target / MANIFEST_NAME).exists():
        raise _occupied(name, target, "what it holds is no package")


def _occupied(name: ModelName, path: Path, reason: str) -> FileExistsError:
    return FileExistsError(
        errno.EEXIST, f"model {name} would lie where {reason}, choose another name", str(path)
    )


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


def _sync(path: Path) -> None:
    """Has the file or folder written through. Windows cannot open a folder and needs not to."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
