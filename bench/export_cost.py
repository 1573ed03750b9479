"""What `python -m export` of the default model costs once its weights are on this disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import Measurement, Reach
from bench.setup import MODEL, Setup, SetupError, Variant
from export.pipeline import DOWNLOADS

# Not measured but made beforehand, so that the weights have been fetched.
VARIANTS = (Variant.DEFAULT,)

LIMIT_S = 15
LIMIT_MB = 600

_RU_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def measure(setup: Setup) -> list[Measurement]:
    """Each round exports into a new store beside the old one, on the same disk."""
    rounds = [_export(setup) for _ in range(setup.slow_rounds)]
    seconds, megabytes = zip(*rounds, strict=True)
    return [
        Measurement("export: time", "s", seconds, reach=Reach("at_most", LIMIT_S)),
        Measurement("export: peak RSS", "MB", megabytes, reach=Reach("at_most", LIMIT_MB)),
    ]


def _export(setup: Setup) -> tuple[float, float]:
    """Seconds, and megabytes at the peak of the export or of any process it started."""
    with TemporaryDirectory(dir=setup.models, prefix=".export-") as folder:
        (Path(folder) / DOWNLOADS).symlink_to(setup.downloads.resolve())
        command = [sys.executable, "-m", "export", MODEL, "--models", folder]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Unlike `process.wait`, it gives the resources of this one process.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SetupError(f"{MODEL} could not be exported again")
    return seconds, usage.ru_maxrss * _RU_MAXRSS_BYTES / 1e6
