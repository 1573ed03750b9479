"""Exports in a process of their own, so that serving needs nothing that only exporting needs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_ROOT = Path(__file__).resolve().parents[1]
_MAIN = (
    "import runpy, sys; root = sys.argv.pop(1); root in sys.path or sys.path.insert(0, root); "
    "runpy.run_module('export', run_name='__main__', alter_sys=True)"
)
"""`python -m export` of this installation, whatever is called `export` in the current folder."""

ENDS_WITH_INPUT = "--ends-with-input"
"""Tells an export to end when its standard input does, which is a pipe that the system closes
however the process ends that holds its other side."""


def run_export(arguments: Sequence[str]) -> int:
    """The status of `python -m export` with `arguments`; it shows its progress on standard error.

    It ends with this process, even if that is killed, and then leaves nothing behind.
    """
    with _running(arguments, None) as process:
        return process.wait()


def export_output(arguments: Sequence[str]) -> tuple[int, str]:
    """The status, and what it wrote to standard output."""
    with _running(arguments, subprocess.PIPE) as process:
        assert process.stdout is not None
        # Not by `communicate`, which would close the input.
        output = process.stdout.read()
        return process.wait(), output


@contextmanager
def _running(arguments: Sequence[str], stdout: int | None) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-P", "-c", _MAIN, str(_ROOT), ENDS_WITH_INPUT, *arguments]
    with (
        _terminable(),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, text=True) as process,
    ):
        try:
            yield process
        except BaseException:
            process.terminate()
            process.wait()
            raise


@contextmanager
def _terminable() -> Iterator[None]:
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stop(_sig: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
