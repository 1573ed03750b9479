"""Making a package where nobody finds it until the model that it is for is ready."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock

from service.store.layout import lock_of
from service.store.packages import Store
from service.store.replacing import changing


@contextmanager
def store_aside(store: Store) -> Iterator[Store]:
    """An empty store on the same file system that `store` does not list; gone at the end.

    One that a killed process leaves is deleted by the next change of `store`, as its lock, which
    is the operating system's, tells that nobody uses it any more. Raises OSError.
    """
    root = store.layout.aside(secrets.token_hex(8))
    # It may be left in another thread than it was entered in.
    lock = FileLock(lock_of(root), thread_local=False)
    # Under the store's lock nobody takes the new one for abandoned.
    with changing(store.layout):
        lock.acquire()
    try:
        root.mkdir()
        yield Store(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        lock.release()
        with suppress(OSError):
            lock_of(root).unlink(missing_ok=True)
