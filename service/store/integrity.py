"""Whether the files of a package are what its manifest says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from service.errors import PackageCorrupt
from service.store.files import hash_file, write_whole
from service.store.packages import AnyPackage

CHECKED_NAME = ".checked.json"
"""In a package's folder: what its files looked like when their hashes were found right."""

_SETTLED_S = 2.0
"""A file changed more recently than this could change again without its time telling so."""

_NS = 10**9


class _Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes with a file's contents; times in nanoseconds."""

    size: int
    mtime_ns: int
    ctime_ns: int


class _Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`package` is the digest of the manifest that the hashes were in."""

    package: str
    files: dict[str, _Look]


@contextmanager
def checked_package(package: AnyPackage) -> Iterator[None]:
    """Checks a package while the body loads it.

    Sizes at once; hashes at the first load and after any file has been touched, on another thread.
    Raises PackageCorrupt, which names the file, whatever the body made of it.
    """
    check_sizes(package)
    if _is_known(package):
        yield
        return
    with ThreadPoolExecutor(1) as threads:
        hashes = threads.submit(_check_and_remember, package)
        try:
            yield
        finally:
            # Which file was damaged says more than what a reader made of it.
            hashes.result()


def check_sizes(package: AnyPackage) -> None:
    """Raises PackageCorrupt if a file is missing, no regular file, or of another size."""
    for name, record in package.manifest.files.items():
        path = package.folder / name
        if path.is_symlink() or not path.is_file():
            raise PackageCorrupt(f"The package of model {package.name} lacks its file {name}.")
        size = path.stat().st_size
        if size != record.size:
            raise PackageCorrupt(
                f"The package of model {package.name} is damaged: {name} has {size} bytes instead "
                f"of {record.size}. Export the model again."
            )


def check_hashes(package: AnyPackage) -> None:
    """Reads every file. Raises PackageCorrupt if one is not what the manifest says."""
    with ThreadPoolExecutor(2) as threads:
        files = package.manifest.files
        digests = threads.map(lambda name: _hash_or_refuse(package, name), files)
        for (name, record), digest in zip(files.items(), digests, strict=True):
            if digest != record.sha256:
                raise PackageCorrupt(
                    f"The package of model {package.name} is damaged: {name} has sha256 {digest} "
                    f"instead of {record.sha256}. Export the model again."
                )


def _hash_or_refuse(package: AnyPackage, name: str) -> str:
    try:
        return hash_file(package.folder / name)
    except OSError as error:
        raise PackageCorrupt(
            f"The package of model {package.name} is damaged: {name} cannot be read "
            f"({error.strerror}). Export the model again."
        ) from error


def _check_and_remember(package: AnyPackage) -> None:
    settled_ns = int((time.time() - _SETTLED_S) * _NS)
    looks: dict[str, _Look] = {}
    with suppress(OSError):
        looks = _looks(package)
    check_hashes(package)
    if not looks or any(max(look.mtime_ns, look.ctime_ns) > settled_ns for look in looks.values()):
        return
    # A store that cannot be written to is read again at every load, and served all the same.
    with suppress(OSError):
        content = msgspec.json.encode(_Checked(package.digest, looks))
        write_whole(package.folder / CHECKED_NAME, content)


def _is_known(package: AnyPackage) -> bool:
    try:
        content = (package.folder / CHECKED_NAME).read_bytes()
        checked = msgspec.json.decode(content, type=_Checked)
        return checked == _Checked(package.digest, _looks(package))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False


def _looks(package: AnyPackage) -> dict[str, _Look]:
    return {name: _look(package.folder / name) for name in package.manifest.files}


def _look(path: Path) -> _Look:
    status = path.stat()
    return _Look(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
