"""What downloads share."""

from __future__ import annotations

import io
from pathlib import Path
from threading import Event, Thread

import pytest

from export.errors import ExportError
from export.progress import Progress, Step, Style
from export.sources.cache import exclusive, largest_file, require_space, watched
from service.store.files import hash_file


def test_growth_on_the_disk_is_reported_while_it_happens(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 10)
    measured = Event()

    def measure() -> int:
        size = largest_file(tmp_path)
        measured.set()
        return size

    step = Step(total=25)
    with watched(measure, step):
        assert measured.wait(timeout=10)
        path.write_bytes(b"x" * 20)
    assert step.done == 20


def test_a_failed_download_ends_the_watch(tmp_path: Path) -> None:
    with pytest.raises(KeyError), watched(lambda: 0, Step(total=1)):
        raise KeyError("gone")


def test_room_on_the_disk(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(ExportError, match=r"left, and the download needs 1000\.0 TB"):
        require_space(tmp_path, 10**15)


def test_who_waits_for_a_lock_is_told(tmp_path: Path) -> None:
    stream = io.StringIO()
    progress = Progress(stream, Style.LINES)
    lock_path = tmp_path / "new" / "lock"
    order: list[str] = []

    def wait() -> None:
        with exclusive(lock_path, progress):
            order.append("second")

    with exclusive(lock_path, progress):
        waiting = Thread(target=wait)
        waiting.start()
        waiting.join(timeout=0.3)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]
    assert "waiting for another export" in stream.getvalue()


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    step = Step(total=3)
    assert hash_file(tmp_path / "abc", step.advance).startswith("ba7816bf8f01cfea")
    assert step.done == 3
