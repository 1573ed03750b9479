"""Publishing a package: built beside its place, then moved there in one step."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from service.store.layout import Layout
from service.store.names import ModelName
from service.store.replacing import changing, collect, put, refuse_foreign


@contextmanager
def staged(root: Path, name: ModelName, on_wait: Callable[[], None]) -> Iterator[Path]:
    """An empty folder to build the package `name` in; leaving it normally publishes it.

    The package replaces what had its name whole. A process killed on the way leaves the old one.
    Only one process builds a name at a time; `on_wait` is called when another does. The lock is
    the operating system's and dies with its holder, and what a killed one left is cleared.
    Raises OSError, FileExistsError where the package's place holds something else.
    """
    layout = Layout(root)
    layout.staging.mkdir(parents=True, exist_ok=True)
    with _held(FileLock(layout.building_lock(name)), on_wait):
        work = layout.building(name)
        shutil.rmtree(work, ignore_errors=True)
        with changing(layout):
            refuse_foreign(layout, name)
        work.mkdir()
        try:
            yield work
            with changing(layout):
                put(layout, name, work)
                collect(layout)
        finally:
            shutil.rmtree(work, ignore_errors=True)


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
