"""The embedded model, made at first start so that there is something to serve."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from types import FrameType

from service.runtime.providers import Provider
from service.settings import Settings
from service.store.packages import Store

DEFAULT_MODEL = "smollm2:135m"

_log = logging.getLogger(__name__)


def ensure_a_model(settings: Settings, provider: Provider) -> None:
    """Exports the embedded model for `provider` if there is no package, in a process of its own.

    So the service needs nothing that only exporting needs. Raises SystemExit with the status of
    an export that failed.
    """
    folder = settings.models_folder
    if not settings.export_default or Store(folder).packages():
        return
    _log.info("there is no model in %s yet; exporting the embedded %s", folder, DEFAULT_MODEL)
    command = [sys.executable, "-m", "export", DEFAULT_MODEL, "--models", str(folder)]
    command += ["--for", provider.device]
    status = _run(command)
    if status:
        _log.error("exporting %s failed; --no-default starts without it", DEFAULT_MODEL)
        raise SystemExit(status)


def _run(command: list[str]) -> int:
    """The command's status; it is ended with this process if that is stopped."""
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        process = subprocess.Popen(command)
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stop(_sig: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
