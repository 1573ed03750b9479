"""`python -m export` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.errors import ModelNotFound
from service.store.integrity import check_hashes, check_sizes
from service.store.packages import AnyPackage, Store

_RUN_WITH = """
import runpy, sys
{prelude}
sys.argv[0] = "export"
runpy.run_module("export", run_name="__main__", alter_sys=True)
"""


def command(models: Path, *arguments: str | Path, prelude: str = "") -> list[str]:
    """What to start; `prelude` is Python that runs before it in the same process."""
    start = ["-c", _RUN_WITH.format(prelude=prelude)] if prelude else ["-m", "export"]
    return [sys.executable, *start, *map(str, arguments), "--models", str(models)]


def export(
    models: Path,
    *arguments: str | Path,
    prelude: str = "",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(models, *arguments, prelude=prelude),
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def start(models: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(models, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def the_error(finished: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed export ends with."""
    lines = finished.stderr.splitlines()
    errors = [line for line in lines if line.startswith("export: ")]
    assert finished.returncode == 1, finished.stderr
    assert errors == lines[-1:], finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""
    return errors[0].removeprefix("export: ")


def whole_package(models: Path, name: str) -> AnyPackage | None:
    """The package, checked to the last byte; None if there is none."""
    try:
        package = Store(models).find(name)
    except ModelNotFound:
        return None
    check_sizes(package)
    check_hashes(package)
    return package


def left_behind(models: Path, *, besides: Sequence[str] = ()) -> list[str]:
    """All files below the store that are no lock and below none of the folders `besides`."""
    files = [path.relative_to(models) for path in models.rglob("*") if path.is_file()]
    return [
        str(file)
        for file in files
        if not file.name.endswith("lock") and file.parts[0] not in besides
    ]
