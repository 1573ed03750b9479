"""Changes that are killed: the old state stands or the new one does, and nothing is left over.

With `RETORT_KILLS=50` every step of every change is tried, and so many random times for each kind
of change; without it a third of the steps and a few times.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import StoreFailure
from service.store.changes import copy_model, create_model
from service.store.overrides import Overrides
from service.store.packages import Store
from service.store.verify import verify_store
from tests.unit.service.store.dying import BRIEF, OPERATIONS, publish
from tests.unit.service.store.samples import DATA, install

if sys.platform == "win32":
    pytest.skip("SIGKILL is what is tested", allow_module_level=True)

NUM_KILLS = int(os.environ.get("RETORT_KILLS", "4"))
STRIDE = 1 if "RETORT_KILLS" in os.environ else 3

State = dict[str, tuple[bytes, Overrides]]


@pytest.fixture
def template(tmp_path: Path) -> Store:
    store = Store(tmp_path / "template")
    install(store.root, "a", b"A")
    install(store.root, "d", b"D")
    copy_model(store, "a", "k")
    return store


def _state(store: Store) -> State:
    """What there is, none of it damaged."""
    assert [each for each in verify_store(store) if each.problem] == []
    return {
        str(package.name): ((package.folder / DATA).read_bytes(), package.overrides)
        for package in store.packages()
    }


def _is_tidy(store: Store) -> bool:
    left = [path.name for path in store.layout.staging.iterdir() if path.suffix != ".lock"]
    left += [str(path) for path in store.layout.folders_aside()]
    weights = [path.read_bytes() for path in store.root.rglob(DATA)]
    used = {content for content, _ in _state(store).values()}
    left += [path.name for path in store.layout.replaced_models.glob("*")]
    return left == [] and sorted(weights) == sorted(used)


def _start(*arguments: str | Path | int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.unit.service.store.dying", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_before_any_step_a_change_has_happened_or_not(
    template: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # there are hundreds of stores
    before = _state(template)
    with _start("steps", operation, template.root, tmp_path / "killed", STRIDE) as process:
        assert process.wait(100) == 0
    stores = [Store(root) for root in (tmp_path / "killed").iterdir()]
    finished = max(stores, key=lambda store: int(store.root.name))
    after = _state(finished)
    assert _is_tidy(finished)
    assert len(stores) > 10 / STRIDE
    seen = [_state(store) for store in stores]
    assert after != before
    assert all(state in (before, after) for state in seen)
    assert before in seen
    for store in stores:
        # Also whatever comes next finds nothing in its way, and takes what was left.
        copy_model(store, "a" if "a" in after else "k", "next")
        assert _is_tidy(store)


@pytest.mark.parametrize("operation", ["publish", "cp", "create", "rm"])
def test_killed_at_any_moment_a_store_is_whole(template: Store, operation: str) -> None:
    generator = random.Random(operation)
    for _ in range(NUM_KILLS):
        with _start("loop", operation, template.root) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            time.sleep(generator.uniform(0, 0.08))
            process.kill()
        state = _state(template)
        assert {"a", "d"} <= state.keys() <= {"a", "d", "k"}
    copy_model(template, "d", "next")
    assert _is_tidy(template)


@pytest.mark.parametrize(
    "change",
    [
        lambda store: publish(store, "a", b"n" * 4000),
        lambda store: publish(store, "n", b"n" * 4000),
        lambda store: copy_model(store, "a", "n"),
        lambda store: create_model(store, "a", "a", BRIEF),
    ],
    ids=["publish over", "publish", "cp", "create"],
)
@pytest.mark.parametrize("limit", [0, 100, 2000])
def test_a_full_disk_is_an_error_and_leaves_the_old_state(
    template: Store, change: Callable[[Store], object], limit: int
) -> None:
    before = _state(template)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        change(template)
        failure = None
    except (StoreFailure, OSError) as error:
        failure = error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    if failure is None:
        assert limit == 2000, "a record is smaller than that"
        return
    assert "File too large" in str(failure)
    assert _state(template) == before
    assert _is_tidy(template)
