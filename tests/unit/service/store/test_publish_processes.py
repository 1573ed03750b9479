"""Publishing from real processes that wait for each other, and are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import ModelNotFound
from service.store.integrity import check_hashes, check_sizes
from service.store.names import ModelName
from service.store.packages import Store
from service.store.publish import staged
from tests.unit.service.store.samples import DATA, fill, install

NAME = ModelName.parse("tiny:q8")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is what is tested")


def _start(root: Path, mode: str, name: ModelName = NAME) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.service.store.publisher", str(root), str(name), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _content(root: Path) -> bytes | None:
    """What is published, checked against its manifest; None if nothing is."""
    try:
        package = Store(root).find(str(NAME))
    except ModelNotFound:
        return None
    check_sizes(package)
    check_hashes(package)
    return (package.folder / DATA).read_bytes()


def _publish(root: Path, content: bytes) -> None:
    with staged(root, NAME, lambda: pytest.fail("a dead process holds the lock")) as folder:
        fill(folder, str(NAME), content)


def test_a_second_process_says_that_it_waits_and_then_publishes(tmp_path: Path) -> None:
    with _start(tmp_path, "hold") as first:
        assert _line(first) == "held"
        with _start(tmp_path, "hold") as second:
            assert _line(second) == "waiting"
            assert _content(tmp_path) is None
            first.communicate("go\n", timeout=20)
            assert _line(second) == "held"
            assert _content(tmp_path) == b"held"
            second.communicate("go\n", timeout=20)
    assert (first.returncode, second.returncode) == (0, 0)
    assert _content(tmp_path) == b"held"


def test_another_name_does_not_wait(tmp_path: Path) -> None:
    with _start(tmp_path, "hold") as first:
        assert _line(first) == "held"
        with _start(tmp_path, "hold", ModelName.parse("other")) as second:
            assert _line(second) == "held"
            second.communicate("go\n", timeout=20)
        first.communicate("go\n", timeout=20)
    assert [str(package.name) for package in Store(tmp_path).packages()] == ["other", "tiny:q8"]


def test_a_killed_process_releases_its_lock(tmp_path: Path) -> None:
    with _start(tmp_path, "hold") as process:
        assert _line(process) == "held"
        process.kill()
    _publish(tmp_path, b"next")
    assert _content(tmp_path) == b"next"


def test_killed_between_the_renames_the_old_package_stands(tmp_path: Path) -> None:
    install(tmp_path, str(NAME), b"old")
    with _start(tmp_path, "die") as process:
        assert process.wait(20) == -signal.SIGKILL
    assert _content(tmp_path) == b"old"
    assert [str(package.name) for package in Store(tmp_path).packages()] == [str(NAME)]
    with staged(tmp_path, NAME, lambda: pytest.fail("a dead process holds the lock")) as folder:
        assert _content(tmp_path) == b"old"
        fill(folder, str(NAME), b"new")
    assert _content(tmp_path) == b"new"
