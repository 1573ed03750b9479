from __future__ import annotations

from pathlib import Path

import pytest

from service.store import files
from service.store.files import check_length, move, write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("num_refusals", "succeeds"), [(0, True), (3, True), (1000, False)])
def test_a_file_that_a_scanner_holds_open_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_refusals: int, succeeds: bool
) -> None:
    (tmp_path / "a").mkdir()
    refusals = [PermissionError(13, "in use")] * num_refusals
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr(files, "_RENAME_PAUSE_S", 0.0)
    if succeeds:
        move(tmp_path / "a", tmp_path / "b", patient=True)
        assert (tmp_path / "b").is_dir()
    else:
        with pytest.raises(PermissionError):
            move(tmp_path / "a", tmp_path / "b", patient=True)


def test_paths_that_windows_cannot_open_are_refused_before_anything_is_moved() -> None:
    check_length(Path("/models") / ("a" * 80), limited=True)
    check_length(Path("/models") / ("a" * 80) / ("b" * 80) / ("c" * 80), limited=False)
    with pytest.raises(OSError, match="Windows opens 259"):
        check_length(Path("/models") / ("a" * 80) / ("b" * 80) / ("c" * 80), limited=True)
