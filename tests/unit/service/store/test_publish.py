from __future__ import annotations

from pathlib import Path

import pytest

from service.store.integrity import check_hashes
from service.store.manifest import MANIFEST_NAME
from service.store.names import ModelName
from service.store.packages import Store
from service.store.publish import staged
from tests.unit.service.store.samples import DATA, fill, install

NAME = ModelName.parse("tiny:q8")


def _never() -> None:
    pytest.fail("nobody else is exporting")


def publish(root: Path, name: ModelName, content: bytes) -> None:
    with staged(root, name, _never) as folder:
        fill(folder, str(name), content)


def _fail(root: Path, error: BaseException) -> None:
    with staged(root, NAME, _never) as folder:
        fill(folder, str(NAME), b"new")
        raise error


def _content(root: Path, name: ModelName = NAME) -> bytes:
    """What is published under the name, checked against its manifest."""
    package = Store(root).find(str(name))
    check_hashes(package)
    return (package.folder / DATA).read_bytes()


def _left_in_staging(root: Path) -> list[str]:
    return [path.name for path in (root / ".staging").iterdir() if path.suffix != ".lock"]


def test_nothing_is_seen_of_a_package_before_it_is_whole(tmp_path: Path) -> None:
    with staged(tmp_path, NAME, _never) as folder:
        assert list(folder.iterdir()) == []
        fill(folder)
        assert Store(tmp_path).packages() == []
    assert _content(tmp_path) == b"weights"
    assert _left_in_staging(tmp_path) == []


def test_a_package_replaces_an_older_one_whole(tmp_path: Path) -> None:
    folder = install(tmp_path, str(NAME), b"old")
    (folder / "only-in-the-old-one").write_bytes(b"")
    publish(tmp_path, NAME, b"new")
    assert _content(tmp_path) == b"new"
    assert not (folder / "only-in-the-old-one").exists()
    assert _left_in_staging(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
def test_an_error_on_the_way_leaves_the_old_package(
    tmp_path: Path, error: type[BaseException]
) -> None:
    install(tmp_path, str(NAME), b"old")
    with pytest.raises(error):
        _fail(tmp_path, error())
    assert _content(tmp_path) == b"old"
    assert _left_in_staging(tmp_path) == []


def test_an_error_where_nothing_was_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staged(tmp_path, NAME, _never):
        raise RuntimeError
    assert Store(tmp_path).packages() == []
    assert not (tmp_path / NAME.folder).exists()


@pytest.mark.parametrize("error", [PermissionError, KeyboardInterrupt])
def test_an_error_between_the_two_renames_leaves_the_old_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    install(tmp_path, str(NAME), b"old")
    target = tmp_path / NAME.folder
    rename = Path.rename
    failures = [error()]

    def fail_once(self: Path, other: Path) -> Path:
        if other == target and failures:
            raise failures.pop()
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(error):
        publish(tmp_path, NAME, b"new")
    assert _content(tmp_path) == b"old"


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    with staged(tmp_path, NAME, _never) as work:
        pass
    (tmp_path / NAME.folder).rename(tmp_path / "aside")
    work.mkdir()
    (work / "half-written").write_bytes(b"")
    publish(tmp_path, NAME, b"new")
    assert sorted(path.name for path in (tmp_path / NAME.folder).iterdir()) == [
        MANIFEST_NAME,
        "model.onnx",
        DATA,
    ]


def test_names_that_could_be_confused_do_not_share_a_staging_folder(tmp_path: Path) -> None:
    """One restoring the other's old package would publish a model under a wrong name."""
    with (
        staged(tmp_path, ModelName.parse("a/b"), _never) as one,
        staged(tmp_path, ModelName.parse("a--b"), _never) as other,
    ):
        assert one != other


def test_the_longest_name_fits(tmp_path: Path) -> None:
    name = ModelName.parse(f"{'a' * 80}/{'b' * 80}/{'c' * 80}:{'d' * 80}")
    publish(tmp_path, name, b"long")
    assert _content(tmp_path, name) == b"long"


@pytest.mark.parametrize(
    ("there", "name"), [("a:b", "a/b:c"), ("a/b:c", "a:b"), ("a:b", "a/b/c:d"), ("a/b/c:d", "a:b")]
)
def test_a_package_never_replaces_or_enters_another_one(
    tmp_path: Path, there: str, name: str
) -> None:
    install(tmp_path, there, b"old")
    with pytest.raises(FileExistsError, match="choose another name"):
        publish(tmp_path, ModelName.parse(name), b"new")
    assert _content(tmp_path, ModelName.parse(there)) == b"old"
    assert _left_in_staging(tmp_path) == []


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / NAME.folder
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="no package"):
        publish(tmp_path, NAME, b"new")
    assert (place / "thesis.txt").read_text() == "years of work"


def test_a_file_in_its_place_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / NAME.folder
    place.parent.mkdir(parents=True)
    place.write_text("kept")
    with pytest.raises(FileExistsError, match="a file"):
        publish(tmp_path, NAME, b"new")
    assert place.read_text() == "kept"


def test_a_damaged_package_can_be_replaced(tmp_path: Path) -> None:
    (install(tmp_path, str(NAME)) / MANIFEST_NAME).write_bytes(b"{")
    publish(tmp_path, NAME, b"new")
    assert _content(tmp_path) == b"new"
