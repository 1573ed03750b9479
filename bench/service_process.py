"""`python -m service` as a user starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_LIMIT_S = 60
_POLL_S = 0.005


class ServiceError(Exception):
    """The service did not start; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that accepts connections."""

    url: str
    pid: int


@contextmanager
def running_service(models: Path, threads: int) -> Iterator[Service]:
    """Serves the packages in `models`; killed at the end. Raises `ServiceError`."""
    port = _free_port()
    command = [sys.executable, "-m", "service", "--port", str(port), "--models", str(models)]
    with subprocess.Popen(
        [*command, "--threads", str(threads), "--no-default"],
        env=_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _wait_for_connection(process, port)
            yield Service(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """That of this process, but for the one variable that has Python compile modules each time."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def _wait_for_connection(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(_POLL_S)
    process.kill()
    assert process.stderr is not None
    raise ServiceError(f"the service did not start: {process.stderr.read().strip()}")
