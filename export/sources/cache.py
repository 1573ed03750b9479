"""What downloads share: room on the disk, a lock per target, a hash, a view of growing files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from filelock import FileLock, Timeout

from export.errors import ExportError
from export.progress import Progress, Step, format_amount

CHUNK_SIZE = 1 << 20
"""Bytes read at once when copying or hashing."""

_POLL_INTERVAL_S = 0.2


def require_space(folder: Path, num_bytes: int, what: str = "the download needs") -> None:
    """Raises ExportError where the disk of `folder`, which must exist, has less free room."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise ExportError(
            f"the disk of {folder} has {format_amount(free)} left, and {what} "
            f"{format_amount(num_bytes)}"
        )


def offline_refusal(what: str) -> str:
    """What is said where nothing may be fetched and `what` is not there."""
    return (
        f"{what} was not fetched here before, and offline nothing is fetched: run the export once "
        "without --offline and HF_HUB_OFFLINE"
    )


@contextmanager
def exclusive(lock_path: Path, progress: Progress) -> Iterator[None]:
    """Holds the lock file; waits, and says so, while another export holds it."""
    make_folder(lock_path.parent)
    lock = FileLock(lock_path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.note(f"waiting for another export that fetches the same ({lock_path})")
        lock.acquire()
    except OSError as error:
        raise ExportError(f"cannot write {lock_path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def make_folder(folder: Path) -> None:
    """Creates `folder` and its parents. Raises ExportError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"cannot create {folder}: {error.strerror or error}") from error


@contextmanager
def watched(measure: Callable[[], int], step: Step) -> Iterator[None]:
    """Reports `measure()` to `step` while the body runs.

    Downloads are done by other programs; the bytes on the disk are the one account of their
    progress that does not depend on their versions.
    """
    stopped = Event()

    def poll() -> None:
        while not stopped.wait(_POLL_INTERVAL_S):
            step.reach(measure())

    thread = Thread(target=poll, name="download-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    step.reach(measure())


def largest_file(folder: Path) -> int:
    """The size in bytes of the largest file below `folder`, 0 where there is none."""
    largest = 0
    # pip moves its temporary files while we look; os.walk passes over folders that are gone.
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                largest = max(largest, Path(place, name).stat().st_size)
    return largest
