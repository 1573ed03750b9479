"""Exports of a running service: followed, shared, given up. The processes are real, the work is
not."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from service import exporting
from service.errors import ExportFailed, Overloaded, ShuttingDown
from service.exporting import ExportJob, Exports, Step
from service.store.names import ModelName

pytestmark = pytest.mark.anyio

PROGRAM = """
import json, os, signal, sys, time
source = sys.argv[-1]
place = sys.argv[sys.argv.index("--models") + 1]
def mark(what):
    open(os.path.join(place, f"{what}-{os.getpid()}"), "w").close()
def stop(*_):
    mark("stopped")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
mark("started")
print(json.dumps({"step": "downloading", "done": 5, "total": 10, "unit": "B"}), file=sys.stderr)
print(json.dumps({"note": "nothing"}), file=sys.stderr)
print("no JSON at all", file=sys.stderr)
if source == "fails":
    print("export: there is no such thing", file=sys.stderr)
    sys.exit(1)
while source == "waits" and not os.path.exists(os.path.join(place, "go")):
    time.sleep(0.01)
print(json.dumps({"step": "folder", "done": len(os.listdir()), "total": None}), file=sys.stderr)
print(json.dumps({"step": "verifying", "done": 1, "total": None, "unit": "token"}), file=sys.stderr)
"""


@pytest.fixture
async def exports(tmp_path: Path) -> AsyncIterator[Exports]:
    exports = Exports(tmp_path, command=(sys.executable, "-c", PROGRAM))
    yield exports
    await exports.close()


def job(source: str, name: str = "tiny") -> ExportJob:
    return ExportJob(source, ModelName.parse(name), "cpu")


async def followed(exports: Exports, which: ExportJob) -> list[Step]:
    return [step async for step in exports.follow(which)]


async def until(done: Path, pattern: str, count: int = 1) -> None:
    deadline = time.monotonic() + 10
    while len(list(done.glob(pattern))) < count:
        assert time.monotonic() < deadline, f"no {pattern}"
        await asyncio.sleep(0.01)


async def test_the_newest_step_is_told_until_the_end(exports: Exports) -> None:
    steps = await followed(exports, job("works"))
    assert steps[-1] == Step("verifying", 1, None, "token")
    assert {step.step for step in steps} <= {"downloading", "folder", "verifying"}


async def test_names_are_not_taken_for_files_of_the_folder_the_service_runs_in(
    exports: Exports, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    folders = [step.done async for step in exports.follow(job("waits")) if step.step == "folder"]
    assert folders in ([], [0])


async def test_an_export_that_fails_says_why(exports: Exports) -> None:
    with pytest.raises(ExportFailed, match="there is no such thing"):
        await followed(exports, job("fails"))
    assert await followed(exports, job("works"))


async def test_two_who_ask_for_one_name_follow_one_export(exports: Exports, tmp_path: Path) -> None:
    both = asyncio.gather(followed(exports, job("waits")), followed(exports, job("waits")))
    await until(tmp_path, "started-*")
    (tmp_path / "go").touch()
    one, other = await both
    assert one[-1] == other[-1] == Step("verifying", 1, None, "token")
    assert len(list(tmp_path.glob("started-*"))) == 1


async def test_one_who_leaves_does_not_end_it_for_the_other(
    exports: Exports, tmp_path: Path
) -> None:
    staying = asyncio.create_task(followed(exports, job("waits")))
    async with aclosing(exports.follow(job("waits"))) as steps:
        assert await anext(steps)
    (tmp_path / "go").touch()
    assert (await staying)[-1].step == "verifying"
    assert not list(tmp_path.glob("stopped-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="processes there end without being asked")
async def test_an_export_that_nobody_follows_is_ended(exports: Exports, tmp_path: Path) -> None:
    async with aclosing(exports.follow(job("waits"))) as steps:
        assert await anext(steps) == Step("downloading", 5, 10)
    assert len(list(tmp_path.glob("stopped-*"))) == 1
    (tmp_path / "go").touch()
    assert await followed(exports, job("waits"))


async def test_so_is_one_whose_only_follower_is_cancelled(exports: Exports, tmp_path: Path) -> None:
    following = asyncio.create_task(followed(exports, job("waits")))
    await until(tmp_path, "started-*")
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    (tmp_path / "go").touch()
    assert (await followed(exports, job("waits")))[-1].step == "verifying"


async def test_only_so_many_run_at_once(
    exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MAX_EXPORTS", 1)
    first = asyncio.create_task(followed(exports, job("waits")))
    await until(tmp_path, "started-*")
    with pytest.raises(Overloaded):
        await followed(exports, job("works", "other"))
    (tmp_path / "go").touch()
    assert await first


async def test_closing_ends_all(exports: Exports, tmp_path: Path) -> None:
    following = asyncio.create_task(followed(exports, job("waits")))
    await until(tmp_path, "started-*")
    await exports.close()
    with pytest.raises(ShuttingDown):
        await following
    with pytest.raises(ShuttingDown):
        await followed(exports, job("works"))
