"""Server processes and raw connections to them, on ports that the system chooses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread

_START_LIMIT_S = 120
"""Long enough to export a model first on a busy machine."""
_LISTENING = re.compile(r"listening on http://[^ ]*:(\d+)")


@dataclass
class ServerProcess:
    """A server that has said where it listens. `lines` is what it has written so far."""

    process: subprocess.Popen[str]
    port: int = 0
    lines: list[str] = field(default_factory=list)

    def connect(self, timeout_s: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def post(self, path: str, content: object) -> socket.socket:
        """A connection on which the request has been sent."""
        body = json.dumps(content).encode()
        connection = self.connect()
        connection.sendall(
            b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (path.encode(), len(body), body)
        )
        return connection

    def log(self) -> str:
        return "".join(self.lines)

    def wait_for(self, text: str, limit_s: float = 5) -> None:
        deadline = time.monotonic() + limit_s
        while text not in self.log():
            assert time.monotonic() < deadline, f"no {text!r} in {self.log()!r}"
            time.sleep(0.01)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


@contextmanager
def running(module: str, *arguments: str) -> Iterator[ServerProcess]:
    """`python -m module` with `arguments`, listening; killed at the end if it still runs."""
    command = [sys.executable, "-W", "error", "-m", module, "--port", "0", *arguments]
    # A session of its own: without a terminal, and with all that it starts in one group.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        server = ServerProcess(process)
        reader = Thread(target=_collect, args=(server,), daemon=True)
        reader.start()
        try:
            server.wait_for("listening on", _START_LIMIT_S)
            found = _LISTENING.search(server.log())
            assert found is not None
            server.port = int(found[1])
            yield server
        finally:
            if not server.port:
                process.terminate()  # so that it ends what it has started itself
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            _kill_all(process)
            process.wait()
            reader.join()


def _kill_all(process: subprocess.Popen[str]) -> None:
    """Successors too, which have the pipe for the log and outlive who started them."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _collect(server: ServerProcess) -> None:
    assert server.process.stderr is not None
    for line in server.process.stderr:
        server.lines.append(line)


def read_until_headers_end(connection: socket.socket) -> bytes:
    """What a client sends, up to the empty line."""
    received = b""
    while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
        received += data
    return received
