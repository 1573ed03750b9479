"""What a store does with single files and folders."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from service.store.manifest import MANIFEST_NAME, FileRecord

_CHUNK_BYTES = 1 << 20
_RENAME_ATTEMPTS = 20
_RENAME_PAUSE_S = 0.05
_MAX_PATH_ON_WINDOWS = 259
_LONGEST_FILE_NAME = 40
"""Of those that exports write; longer ones are in nobody's package."""


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Size and hash of every file in `folder` but the manifest, by name."""
    paths = sorted(path for path in folder.iterdir() if path.name != MANIFEST_NAME)
    return {
        path.name: FileRecord(size=path.stat().st_size, sha256=hash_file(path)) for path in paths
    }


def hash_file(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    """The sha256 of a file, in hexadecimal. `on_bytes` hears how many bytes were read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Has the file or folder written through. Windows cannot open a folder and needs not to."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """The same for a folder and the files in it."""
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def move(source: Path, target: Path, *, patient: bool = os.name == "nt") -> None:
    """One rename. A `patient` one waits for a moment if something holds a file open, as virus
    scanners do on Windows; PermissionError if that goes on."""
    for _ in range(_RENAME_ATTEMPTS if patient else 0):
        try:
            source.rename(target)
            return
        except PermissionError:
            time.sleep(_RENAME_PAUSE_S)
    source.rename(target)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file beside its place and puts it there, so that no reader sees a part of it."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def check_length(folder: Path, *, limited: bool | None = None) -> None:
    """Raises OSError where the files of `folder` would have paths that Windows cannot open."""
    limited = _has_short_paths() if limited is None else limited
    length = len(str(folder.absolute())) + 1 + _LONGEST_FILE_NAME
    if limited and length > _MAX_PATH_ON_WINDOWS:
        raise OSError(
            f"the model's files would have paths of {length} characters, and Windows opens "
            f"{_MAX_PATH_ON_WINDOWS}: choose a shorter name, move the store, or enable long paths "
            "(LongPathsEnabled)"
        )


def _has_short_paths() -> bool:
    if sys.platform != "win32":
        return False
    import ctypes  # noqa: PLC0415  only there is there such a library to ask

    return not ctypes.WinDLL("ntdll").RtlAreLongPathsEnabled()
