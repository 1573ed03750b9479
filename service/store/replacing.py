"""The steps by which names change their meaning: single renames, under one lock.

A model's folder is replaced whole. Killed between the two renames of that, what was there is still
found, since `Store` looks where it lies then, and the next change puts it back. A package that
records point to is never deleted but parked.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from service.store.files import check_length, move, sync, sync_all
from service.store.layout import Layout, lock_of
from service.store.manifest import MANIFEST_NAME
from service.store.names import ModelName
from service.store.packages import Store, is_model
from service.store.record import digest_of, read_record

_LOCK_TIMEOUT_S = 60.0
_BLOB_AGE_S = 24 * 3600.0
"""How long a file stays that was uploaded, and then not used."""


@contextmanager
def changing(layout: Layout) -> Iterator[None]:
    """Holds the store's lock, which is the operating system's and dies with its holder.

    What a killed process has left is put in order first. Raises OSError.
    """
    layout.staging.mkdir(parents=True, exist_ok=True)
    lock = FileLock(layout.lock)
    try:
        lock.acquire(timeout=_LOCK_TIMEOUT_S)
    except Timeout:
        raise OSError(errno.EBUSY, "another process is changing the store") from None
    try:
        _recover(layout)
        yield
    finally:
        lock.release()


def put(layout: Layout, name: ModelName, folder: Path) -> None:
    """Makes `folder`, a package or a record, what `name` means. Under the lock.

    Raises OSError; what `name` meant before then stands.
    """
    target, replaced = layout.model(name), layout.replaced(name)
    check_length(target)
    refuse_foreign(layout, name)
    sync_all(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if target.exists():
            replaced.parent.mkdir(parents=True, exist_ok=True)
            move(target, replaced)
        move(folder, target)
    except BaseException:
        _restore(layout, name)
        raise
    sync(target.parent)
    _finish(layout, name)


def take(layout: Layout, name: ModelName) -> None:
    """Ends what `name` means. Under the lock. Raises OSError, and then nothing has changed."""
    target = layout.model(name)
    _dispose(layout, target)
    sync(target.parent)
    _prune(layout.root, target)


def park(layout: Layout, folder: Path, digest: str) -> None:
    """Keeps the package in `folder` for records to point to. Under the lock. Raises OSError."""
    layout.parked_packages.mkdir(exist_ok=True)
    move(folder, layout.parked(digest))
    sync(layout.parked_packages)


def collect(layout: Layout) -> None:
    """Deletes the parked packages that no record points to. Under the lock."""
    if not layout.parked_packages.is_dir():
        return
    references = _references(layout)
    if references is None:
        return
    kept = {layout.parked(digest) for digest in references}
    for folder in layout.parked_packages.iterdir():
        if folder not in kept:
            _delete(layout, folder)
    with suppress(OSError):
        layout.parked_packages.rmdir()


def refuse_foreign(layout: Layout, name: ModelName) -> None:
    """Raises FileExistsError where putting `name` would replace more than its own folder.

    `a:b` lies in the folder `a/b`, in which `a/b:c` would lie too.
    """
    parts = name.folder.parts
    for outer in (layout.root.joinpath(*parts[:i]) for i in range(1, len(parts))):
        if is_model(outer):
            raise _occupied(name, outer, "a model is there already")
        if os.path.lexists(outer) and not outer.is_dir():
            raise _occupied(name, outer, "a file is there already")
    target = layout.model(name)
    if not target.exists():
        return
    if not target.is_dir():
        raise _occupied(name, target, "it is a file")
    children = list(target.iterdir())
    if any(child.is_dir() for child in children):
        raise _occupied(name, target, "other folders are in it")
    if children and not is_model(target):
        raise _occupied(name, target, "what it holds is no package")


def _occupied(name: ModelName, path: Path, reason: str) -> FileExistsError:
    return FileExistsError(
        errno.EEXIST, f"model {name} would lie where {reason}, choose another name", str(path)
    )


def _recover(layout: Layout) -> None:
    for folder in layout.leftovers():
        shutil.rmtree(folder, ignore_errors=True)
    for folder in layout.unpublished():
        _clear_abandoned(folder)
    for folder in layout.folders_aside():
        _clear_abandoned(folder, with_lock=True)
    _sweep_blobs(layout)
    if layout.replaced_models.is_dir():
        for name in Store(layout.replaced_models).names():
            _restore(layout, name)
            _finish(layout, name)
        for emptied, _, _ in os.walk(layout.replaced_models, topdown=False):
            with suppress(OSError):
                Path(emptied).rmdir()


def _clear_abandoned(folder: Path, *, with_lock: bool = False) -> None:
    """Deletes what was being built by a process that does not hold its lock any more."""
    lock = FileLock(lock_of(folder))
    with suppress(Timeout):
        lock.acquire(timeout=0)
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()
        if with_lock and not folder.exists():
            with suppress(OSError):
                lock_of(folder).unlink(missing_ok=True)


def _sweep_blobs(layout: Layout) -> None:
    oldest_s = time.time() - _BLOB_AGE_S
    for blob in layout.blobs.glob("*"):
        with suppress(OSError):
            if blob.stat().st_mtime < oldest_s:
                blob.unlink()


def _restore(layout: Layout, name: ModelName) -> None:
    """Puts back what was about to be replaced and has not been."""
    replaced, target = layout.replaced(name), layout.model(name)
    if replaced.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        move(replaced, target)


def _finish(layout: Layout, name: ModelName) -> None:
    """Disposes of what has been replaced."""
    replaced = layout.replaced(name)
    if replaced.exists():
        # Nobody finds it any more, and the next change tries again.
        with suppress(OSError):
            _dispose(layout, replaced)
    _prune(layout.root, replaced)


def _dispose(layout: Layout, folder: Path) -> None:
    """Parks a package that records point to, or may point to; deletes anything else."""
    digest = _digest(folder)
    if digest is None or layout.parked(digest).exists() or not _may_be_needed(layout, digest):
        _delete(layout, folder)
    else:
        park(layout, folder, digest)


def _may_be_needed(layout: Layout, digest: str) -> bool:
    references = _references(layout)
    return references is None or digest in references


def _digest(folder: Path) -> str | None:
    try:
        return digest_of((folder / MANIFEST_NAME).read_bytes())
    except OSError:
        return None


def _references(layout: Layout) -> set[str] | None:
    """The digests of all packages that records point to; None if a record cannot be read."""
    digests = set()
    for name in Store(layout.root).names():
        for folder in (layout.model(name), layout.replaced(name)):
            try:
                digests.add(read_record(folder).package)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError):
                return None
    return digests


def _delete(layout: Layout, folder: Path) -> None:
    """Out of sight in one step, and then away; what cannot be deleted yet the next change tries."""
    trash = layout.trash(folder)
    shutil.rmtree(trash, ignore_errors=True)
    move(folder, trash)
    shutil.rmtree(trash, ignore_errors=True)


def _prune(root: Path, folder: Path) -> None:
    """Removes the folders between `root` and `folder` that have become empty."""
    for parent in list(folder.relative_to(root).parents)[:-1]:
        with suppress(OSError):
            (root / parent).rmdir()
