"""Wheels, fetched with pip.

pip runs as a program of its own, so that the user's index, proxy, certificates and credentials
hold. Only the wheel itself is downloaded; it is never installed and nothing in it is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from export.errors import ExportError
from export.progress import Progress
from export.sources.cache import largest_file, watched


def download_wheel(
    distribution: str, version: str, wheel_size: int, staging: Path, progress: Progress
) -> Path:
    """The wheel in `staging`, about `wheel_size` bytes. Raises ExportError."""
    with (
        progress.step(f"downloading {distribution} {version}", wheel_size) as step,
        watched(partial(largest_file, staging), step),
    ):
        run_pip(f"{distribution}=={version}", staging)
    wheels = list(staging.glob("*.whl"))
    if len(wheels) != 1:
        raise ExportError(f"pip brought no wheel of {distribution} {version}")
    return wheels[0]


def run_pip(requirement: str, staging: Path) -> None:
    """Downloads one wheel into `staging`. Raises ExportError with pip's own last error line."""
    command = [
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar=off"),
        *("--dest", str(staging), requirement),
    ]
    # pip collects a download in its temporary folder, which may be a small disk in memory.
    environment = os.environ | {name: str(staging) for name in ("TMPDIR", "TEMP", "TMP")}
    finished = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise ExportError(_explain(requirement, finished.stderr))


def _explain(requirement: str, stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no message"]
    reason = errors[-1].removeprefix("ERROR:").strip()
    if "No module named pip" in stderr:
        advice = f"pip is missing, install it with `{sys.executable} -m ensurepip`"
    elif "Retrying (" in stderr or "Connection" in stderr:
        advice = "no connection to the package index, check the network and pip's settings"
    elif "No space left" in stderr:
        advice = "the disk is full"
    else:
        advice = "check that pip's index has it (`pip config list`)"
    return f"cannot download {requirement}: {advice} (pip: {reason})"
