"""Exports that are killed or meet each other: the old package stands, or none, or the new one."""

from __future__ import annotations

import random
import signal
import sys
import time
from pathlib import Path

import pytest

from service.store.names import ModelName
from service.store.publish import staged
from tests.e2e.export_command import export, left_behind, start, whole_package
from tests.unit.export.golden_llama import TIED

NUM_KILLS = 12
NAME = "tiny_llama_a"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is what is tested")


def _timed_export(models: Path, *arguments: str) -> float:
    started_s = time.monotonic()
    finished = export(models, TIED, *arguments)
    assert finished.returncode == 0, finished.stderr
    return time.monotonic() - started_s


def test_killed_at_any_moment_the_old_package_stands_or_none(tmp_path: Path) -> None:
    takes_s = _timed_export(tmp_path / "measured")
    models = tmp_path / "models"
    generator = random.Random(11)
    for number in range(NUM_KILLS):
        before = whole_package(models, NAME)
        with start(models, TIED, "--precision", ("int8", "fp16")[number % 2]) as process:
            # The first part of an export is Python's own start, which writes nothing.
            time.sleep(generator.uniform(0.4, 1.2) * takes_s)
            process.kill()
        after = whole_package(models, NAME)
        if process.returncode != 0 and before is not None:
            assert after is not None
        if number == NUM_KILLS // 2:
            _timed_export(models)
    _timed_export(models, "--precision", "int4")
    package = whole_package(models, NAME)
    assert package is not None
    assert package.manifest.precision == "int4"
    assert left_behind(models, besides=[NAME]) == []


def test_a_terminated_export_takes_its_unfinished_package_with_it(tmp_path: Path) -> None:
    with start(tmp_path, TIED) as process:
        while process.poll() is None and not list(tmp_path.glob(".staging/*/")):
            time.sleep(0.01)
        process.terminate()
        # Closing the pipes before it ends would change its exit code: it could not write its last.
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert left_behind(tmp_path) == []


def test_two_exports_of_one_name_both_succeed(tmp_path: Path) -> None:
    with (
        start(tmp_path, TIED, "--precision", "int8") as one,
        start(tmp_path, TIED, "--precision", "fp16") as other,
    ):
        errors = [process.communicate(timeout=60)[1] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), errors
    package = whole_package(tmp_path, NAME)
    assert package is not None
    assert package.manifest.precision in ("int8", "fp16")
    assert left_behind(tmp_path, besides=[NAME]) == []


def test_an_export_says_that_it_waits_for_another(tmp_path: Path) -> None:
    with start(tmp_path, TIED) as process:
        with staged(tmp_path, ModelName.parse(NAME), lambda: None) as folder:
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"waiting: {NAME} is being exported")
            (folder / "manifest.json").write_text("{}")
        assert process.wait(60) == 0
    assert whole_package(tmp_path, NAME) is not None
