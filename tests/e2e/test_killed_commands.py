"""Commands that are killed at any moment: the store is whole, and as it was or as it should be.

With `RETORT_KILLS=50` each is killed so many times, without it a few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.store.changes import copy_model, remove_model
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides
from service.store.packages import Store
from service.store.publish import staged
from tests.e2e.command_line import COMMAND, ROOT, CommandLine
from tests.unit.export.golden_llama import TIED

if sys.platform == "win32":
    pytest.skip("SIGKILL is what is tested", allow_module_level=True)

NUM_KILLS = int(os.environ.get("RETORT_KILLS", "4"))
_LIMIT_S = 60

State = dict[str, tuple[str, Overrides]]
"""The precision of each model, which tells packages apart here, and what holds over it."""


@dataclass(frozen=True)
class Change:
    """A command, and what the store `before` has become when it is through."""

    command: list[str]
    after: Callable[[State], State]


Operation = Callable[[Store, Path, int], Change]
"""What changes the store, for the time with this number, with a folder for files."""


def _stored(store: Store, name: str) -> str | None:
    """The precision of the model, None if there is no such one."""
    return {str(each.name): each.manifest.precision for each in store.packages()}.get(name)


def _pull(store: Store, _folder: Path, _number: int) -> Change:
    precision = "fp16" if _stored(store, "n") == "int8" else "int8"
    command = ["pull", str(TIED), "--name", "n", "--precision", precision]
    return Change(command, lambda before: {**before, "n": (precision, NO_OVERRIDES)})


def _cp(store: Store, _folder: Path, _number: int) -> Change:
    source = "d" if _stored(store, "n") == _stored(store, "a") else "a"
    return Change(["cp", source, "n"], lambda before: {**before, "n": before[source]})


def _rm(store: Store, _folder: Path, number: int) -> Change:
    copy_model(store, ("a", "d")[number % 2], "n")
    return Change(
        ["rm", "n"], lambda before: {name: before[name] for name in before if name != "n"}
    )


def _create(_store: Store, folder: Path, number: int) -> Change:
    base = ("a", "d")[number % 2]
    command, overrides = _modelfile(folder, base, number)
    return Change(command, lambda before: {**before, "n": (before[base][0], overrides)})


def _create_from_weights(_store: Store, folder: Path, number: int) -> Change:
    command, overrides = _modelfile(folder, str(TIED), number)
    return Change(command, lambda before: {**before, "n": ("int8", overrides)})


def _modelfile(folder: Path, base: str, number: int) -> tuple[list[str], Overrides]:
    path, system = folder / f"Modelfile-{number}", f"Be brief {number}."
    path.write_text(f"FROM {base}\nSYSTEM {system}\n")
    return ["create", "n", "-f", str(path)], Overrides(system=system)


OPERATIONS: dict[str, Operation] = {
    "pull": _pull,
    "cp": _cp,
    "rm": _rm,
    "create": _create,
    "create from weights": _create_from_weights,
}
"""On a store with the packages `a` and `d`."""


@pytest.fixture
def retort(tmp_path: Path) -> CommandLine:
    retort = CommandLine(tmp_path / "models", tmp_path)
    retort.output("pull", TIED, "--name", "a", "--precision", "int4")
    retort.output("pull", TIED, "--name", "d", "--precision", "int8")
    return retort


@contextmanager
def _started(retort: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as the leader of a group of its own, which is killed at the end."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=retort.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _duration_s(retort: CommandLine, *arguments: str) -> float:
    started_s = time.monotonic()
    retort.output(*arguments)
    return time.monotonic() - started_s


def _state(retort: CommandLine) -> State:
    """What there is, which `retort verify` accepts."""
    problems = {each["name"]: each["problem"] for each in retort.json("verify")["models"]}
    packages = Store(retort.models).packages()
    assert problems == {f"{package.name}:latest": None for package in packages}
    return {str(each.name): (each.manifest.precision, each.overrides) for each in packages}


def _left_over(store: Store) -> list[str]:
    """What is neither a lock that is used again nor the package of a model."""
    staged_files = [path.name for path in store.layout.staging.iterdir()]
    left = [name for name in staged_files if not name.endswith(".lock") or ".aside" in name]
    used = {package.folder for package in store.packages()}
    parked = store.layout.parked_packages.glob("*")
    return [*left, *(folder.name for folder in parked if folder not in used)]


def _finished(root: Path) -> set[str]:
    """The folders of packages that are complete, in a store or in the making; any may vanish
    meanwhile."""
    folders = os.walk(root)
    return {at for at, _, files in folders if "manifest.json" in files and at.endswith("latest")}


def _wait_for_a_change(staging: Path, process: subprocess.Popen[str]) -> None:
    before = staging.stat().st_mtime_ns
    deadline = time.monotonic() + _LIMIT_S
    while staging.stat().st_mtime_ns == before and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.0002)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_moment_a_command_has_done_its_work_or_nothing(
    retort: CommandLine, tmp_path: Path, operation: str
) -> None:
    store = Store(retort.models)
    change = OPERATIONS[operation]
    takes_s = _duration_s(retort, *change(store, tmp_path, NUM_KILLS).command)
    generator = random.Random(operation)
    num_killed = 0
    for number in range(NUM_KILLS):
        wanted = change(store, tmp_path, number)
        before = _state(retort)
        after = wanted.after(before)
        assert after != before
        with _started(retort, *wanted.command) as process:
            if number % 2:
                # The first part of a command is Python's own start, which writes nothing.
                _wait_for_a_change(store.layout.staging, process)
                time.sleep(generator.choice((0.01, 0.1, takes_s)) * generator.random())
            else:
                time.sleep(generator.uniform(0.1, 1.1) * takes_s)
        num_killed += process.returncode == -signal.SIGKILL
        assert _state(retort) in (before, after), wanted.command
    assert num_killed
    copy_model(store, "a", "next")
    assert _left_over(store) == []
    if ModelName.parse("n") in store.names():
        remove_model(store, "n")
    assert _left_over(store) == []


def test_a_model_in_the_making_is_never_listed_and_its_rest_swept(
    retort: CommandLine, tmp_path: Path
) -> None:
    store = Store(retort.models)
    names = store.names()
    command, _ = _modelfile(tmp_path, str(TIED), 0)
    with _started(retort, *command) as process:
        made = _finished(store.root)
        while _finished(store.root) <= made:
            assert process.poll() is None
        copy_model(store, "a", "next")
        assert process.poll() is None
        assert store.names() == [*names, ModelName.parse("next")]
        assert _left_over(store) != [], "what a living process makes stays"
    assert store.names() == [*names, ModelName.parse("next")]
    remove_model(store, "next")
    assert _left_over(store) == []


def test_the_export_of_a_killed_pull_ends_with_it(retort: CommandLine) -> None:
    name = ModelName.parse("n")
    with (
        _started(retort, "pull", str(TIED), "--name", "n") as process,
        staged(retort.models, name, lambda: None) as folder,
    ):
        assert process.stderr is not None
        while "waiting: " not in process.stderr.readline():
            assert process.poll() is None
        process.kill()
        # It has the same error output, which is therefore closed when both have ended.
        assert process.communicate(timeout=10)[1].count("\n") == 0
        (folder / "manifest.json").write_text("{}")
