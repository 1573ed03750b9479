"""Making a package, or a file, where nobody finds it until all of it is ready."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from service.store.layout import Layout, lock_of
from service.store.packages import Store
from service.store.replacing import changing


@contextmanager
def store_aside(store: Store) -> Iterator[Store]:
    """An empty store that `store` does not list, in a `folder_aside`. Raises OSError."""
    with folder_aside(store.layout) as folder:
        yield Store(folder)


@contextmanager
def folder_aside(layout: Layout) -> Iterator[Path]:
    """An empty folder on the file system of the store; gone at the end.

    One that a killed process leaves is deleted by the next change of the store, as its lock, which
    is the operating system's, tells that nobody uses it any more. It may be left in another thread
    than it was entered in. Raises OSError.
    """
    folder = layout.aside(secrets.token_hex(8))
    lock = FileLock(lock_of(folder), thread_local=False)
    # Under the store's lock nobody takes the new one for abandoned.
    with changing(layout):
        lock.acquire()
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        with suppress(OSError):
            lock_of(folder).unlink(missing_ok=True)
