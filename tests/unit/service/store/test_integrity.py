from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from service.errors import PackageCorrupt
from service.store import integrity
from service.store.changes import copy_model
from service.store.files import hash_file
from service.store.integrity import CHECKED_NAME, checked_package
from service.store.packages import Package, Store
from tests.unit.service.store.samples import DATA, install


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """One whose files have not been touched for a while."""
    install(tmp_path, "tiny")
    monkeypatch.setattr(integrity, "_SETTLED_S", 0.0)
    time.sleep(0.02)
    return Store(tmp_path).decoder("tiny")


def _load(package: Package) -> None:
    with checked_package(package):
        pass


def _hashed(package: Package, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that loading the package reads."""
    hashed: list[str] = []

    def note(path: Path) -> str:
        hashed.append(path.name)
        return hash_file(path)

    with monkeypatch.context() as patched:
        patched.setattr(integrity, "hash_file", note)
        _load(package)
    return sorted(hashed)


def test_hashes_are_checked_at_the_first_load_alone(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _hashed(package, monkeypatch) == sorted(package.manifest.files)
    assert _hashed(package, monkeypatch) == []


def test_a_copy_is_not_read_again(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    _load(package)
    root = package.folder.parents[1]
    copy_model(Store(root), "tiny", "other")
    assert _hashed(Store(root).decoder("other"), monkeypatch) == []


@pytest.mark.parametrize("content", [b"weightz", b"weights"])
def test_a_file_that_was_touched_is_read_again(package: Package, content: bytes) -> None:
    """Even if its size and its time are what they were."""
    _load(package)
    path = package.folder / DATA
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if content == b"weights":
        _load(package)
        return
    for _ in range(2):
        with pytest.raises(PackageCorrupt, match=f"{DATA} has sha256"):
            _load(package)


def test_a_truncated_file_is_refused_before_anything_is_loaded(package: Package) -> None:
    _load(package)
    os.truncate(package.folder / DATA, 3)
    with (
        pytest.raises(PackageCorrupt, match=f"{DATA} has 3 bytes instead of 7"),
        checked_package(package),
    ):
        pytest.fail("it was loaded")


def test_the_damaged_file_says_more_than_what_a_reader_made_of_it(package: Package) -> None:
    (package.folder / DATA).write_bytes(b"weightz")
    with pytest.raises(PackageCorrupt, match=DATA), checked_package(package):
        raise ValueError("bad magic")


def test_what_loading_raises_is_passed_on(package: Package) -> None:
    with pytest.raises(ValueError, match="mine"), checked_package(package):
        raise ValueError("mine")


def test_a_file_changed_a_moment_ago_is_not_taken_for_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change once more within one tick of the clock."""
    install(tmp_path, "tiny")
    package = Store(tmp_path).decoder("tiny")
    _load(package)
    assert _hashed(package, monkeypatch) == sorted(package.manifest.files)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"package": 1}'])
def test_notes_that_cannot_be_read_are_none(
    package: Package, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    _load(package)
    (package.folder / CHECKED_NAME).write_bytes(content)
    assert _hashed(package, monkeypatch) == sorted(package.manifest.files)
    assert _hashed(package, monkeypatch) == []


def test_notes_of_another_package_are_none(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(package)
    other = Package(package.name, package.folder, package.manifest, "0" * 64)
    assert _hashed(other, monkeypatch) == sorted(package.manifest.files)


def test_a_store_that_cannot_be_written_to_is_served(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(integrity, "write_whole", refuse)
    _load(package)
    assert _hashed(package, monkeypatch) == sorted(package.manifest.files)
