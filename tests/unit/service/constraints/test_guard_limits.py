"""Schemas made to do harm: refused at once, or compiled in a bounded time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.constraints.guard import check_schema
from service.errors import UnsupportedSchema
from tests.unit.service.constraints.hostile import COMPILED, REFUSED

ROOT = Path(__file__).parents[4]
MAX_SECONDS = 2
MAX_MEBIBYTES = 512


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_harm_is_refused_at_once(name: str) -> None:
    expected, schema = REFUSED[name]
    begun_at = time.process_time()
    with pytest.raises(UnsupportedSchema) as refused:
        check_schema(schema, param="p")
    assert expected in refused.value.message
    assert time.process_time() - begun_at < MAX_SECONDS


@pytest.mark.parametrize("name", COMPILED)
def test_what_passes_compiles_in_bounded_time_and_memory(name: str) -> None:
    """In a process of its own, which a mistake here could end. It may yet be refused there."""
    begun_at = time.process_time()
    check_schema(COMPILED[name], param="p")
    assert time.process_time() - begun_at < MAX_SECONDS
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.service.constraints.compile_process"],
        cwd=ROOT,
        input=json.dumps(COMPILED[name]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seconds, mebibytes = map(float, done.stdout.split())
    assert seconds < MAX_SECONDS
    assert mebibytes < MAX_MEBIBYTES
