from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from service.errors import ModelNotFound, PackageCorrupt
from service.store.files import hash_file, record_files
from service.store.integrity import check_hashes, check_sizes
from service.store.manifest import MANIFEST_NAME, FileRecord
from service.store.packages import Package, Store
from tests.unit.service.store.samples import DATA, GRAPH, install, with_records


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def package(store: Store) -> Package:
    install(store.root, "tiny:q8")
    return store.decoder("tiny:q8")


def _names(store: Store) -> list[str]:
    return [str(package.name) for package in store.packages()]


@pytest.mark.parametrize("text", ["tiny:q8", "TINY:Q8"])
def test_a_package_is_found_by_its_name_in_any_case(store: Store, text: str) -> None:
    folder = install(store.root, "tiny:q8")
    found = store.find(text)
    assert (str(found.name), found.folder, found.manifest.name) == ("tiny:q8", folder, "tiny:q8")


@pytest.mark.parametrize(
    "text",
    ["other", "tiny", "tiny:q4", "", "../tiny", "tiny:q8/x", "a/b/c/d", "tiny:q8:", "x" * 5000],
)
def test_what_is_not_there_is_not_found(store: Store, package: Package, text: str) -> None:
    with pytest.raises(ModelNotFound) as missing:
        store.find(text)
    assert missing.value.param == "model"
    assert len(missing.value.message) < 400


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere")
    assert store.packages() == []
    with pytest.raises(ModelNotFound):
        store.find("tiny")


def test_a_file_where_the_folder_would_be_is_not_found(store: Store) -> None:
    store.root.mkdir()
    (store.root / "tiny").write_text("")
    with pytest.raises(ModelNotFound):
        store.find("tiny")
    assert store.packages() == []


def test_packages_are_listed_by_name(store: Store) -> None:
    for name in ("zeta", "alpha:q8", "org/sub/model:v1", "alpha", "org/model"):
        install(store.root, name)
    assert _names(store) == ["alpha", "alpha:q8", "org/model", "org/sub/model:v1", "zeta"]


def test_hidden_folders_and_those_no_name_has_are_not_listed(store: Store) -> None:
    folder = install(store.root, "tiny")
    for place in (".staging/tiny/latest", "Tiny2/latest", "a/b/c/d/e", "con/latest", "x y/latest"):
        target = store.root / place
        target.mkdir(parents=True)
        for file in folder.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    assert _names(store) == ["tiny"]


def test_every_listed_package_is_found(store: Store) -> None:
    for name in ("a", "a:b", "a/b:c"):
        install(store.root, name)
    assert [store.find(name).folder for name in _names(store)] == [
        package.folder for package in store.packages()
    ]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": 7}'])
def test_a_damaged_manifest_is_refused_by_find_and_left_out_of_the_list(
    store: Store, content: bytes
) -> None:
    install(store.root, "whole")
    (install(store.root, "damaged") / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(PackageCorrupt, match="model damaged cannot be read") as refused:
        store.find("damaged")
    assert refused.value.status == 503
    assert _names(store) == ["whole"]


def test_a_manifest_that_cannot_be_opened_does_not_tell_its_path(store: Store) -> None:
    manifest = install(store.root, "tiny") / MANIFEST_NAME
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(PackageCorrupt) as refused:
        store.find("tiny")
    assert str(store.root) not in refused.value.message
    assert _names(store) == []


def test_a_package_without_its_manifest_is_none(store: Store) -> None:
    (install(store.root, "tiny") / MANIFEST_NAME).unlink()
    with pytest.raises(ModelNotFound):
        store.find("tiny")


def test_a_whole_package_passes_both_checks(package: Package) -> None:
    check_sizes(package)
    check_hashes(package)


@pytest.mark.parametrize("file", [GRAPH, DATA])
def test_a_missing_file_is_found(package: Package, file: str) -> None:
    (package.folder / file).unlink()
    for check in (check_sizes, check_hashes):
        with pytest.raises(PackageCorrupt, match=file):
            check(package)


@pytest.mark.parametrize("file", [GRAPH, DATA])
def test_a_truncated_file_is_found(package: Package, file: str) -> None:
    path = package.folder / file
    size = path.stat().st_size
    os.truncate(path, size - 1)
    with pytest.raises(PackageCorrupt, match=f"{file} has {size - 1} bytes instead of {size}"):
        check_sizes(package)
    with pytest.raises(PackageCorrupt, match=file):
        check_hashes(package)


@pytest.mark.parametrize("position", [0, 3, 6])
def test_a_flipped_bit_is_found_by_its_hash_alone(package: Package, position: int) -> None:
    path = package.folder / DATA
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    check_sizes(package)
    with pytest.raises(PackageCorrupt, match=f"{DATA} has sha256"):
        check_hashes(package)


def test_a_link_in_place_of_a_file_is_refused(package: Package, tmp_path: Path) -> None:
    path = package.folder / DATA
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(PackageCorrupt, match=DATA):
        check_sizes(package)


def test_a_folder_in_place_of_a_file_is_refused(package: Package) -> None:
    path = package.folder / DATA
    path.unlink()
    path.mkdir()
    for check in (check_sizes, check_hashes):
        with pytest.raises(PackageCorrupt, match=DATA):
            check(package)


def test_a_file_the_manifest_knows_and_nobody_wrote_is_missing(package: Package) -> None:
    record = FileRecord(size=0, sha256=hashlib.sha256(b"").hexdigest())
    changed = with_records(package, {**package.manifest.files, "extra": record})
    for check in (check_sizes, check_hashes):
        with pytest.raises(PackageCorrupt, match="extra"):
            check(changed)


def test_records_are_sizes_and_hashes_of_all_but_the_manifest(tmp_path: Path) -> None:
    for name, content in (("b", b"12"), ("a", b""), (MANIFEST_NAME, b"{}")):
        (tmp_path / name).write_bytes(content)
    records = record_files(tmp_path)
    assert list(records) == ["a", "b"]
    assert records["b"] == FileRecord(size=2, sha256=hashlib.sha256(b"12").hexdigest())
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"").hexdigest()
