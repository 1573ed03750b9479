"""A socket that is handed over: nobody is refused between two servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.errors import StartupError
from service.inherited import inherited_socket
from tests.unit.service.processes import read_all

pytestmark = pytest.mark.skipif(os.name == "nt", reason="systemd's convention")

FAKE = "tests.unit.service.serve_fake"
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A process that becomes the server, as its id is what LISTEN_PID has to say."""


@contextmanager
def activated(listener: socket.socket, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server on `listener`, which stays open here as it does in systemd."""
    command = [sys.executable, "-W", "error", "-m", FAKE, *arguments]
    with subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, str(listener.fileno()), *command],
        env={**os.environ, "LISTEN_FDS": "1"},
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return read_all(connection)


def test_a_restart_refuses_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with activated(listener) as first:
            assert b"Ollama is running" in ask(port)
            first.terminate()
            assert first.wait(10) == 0
        with socket.create_connection(("127.0.0.1", port), 60) as early:
            early.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            with activated(listener) as second:
                assert b"Ollama is running" in read_all(early)
                second.terminate()
                assert second.wait(10) == 0


def test_an_address_that_others_reach_must_be_meant() -> None:
    with (
        socket.create_server(("0.0.0.0", 0)) as listener,
        activated(listener) as process,
    ):
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert "listens on 0.0.0.0, which others reach" in process.stderr.read()


def test_what_was_meant_for_another_process_is_left_alone() -> None:
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "OTHER": "x"}
    assert inherited_socket(environment) is None
    assert environment == {"OTHER": "x"}
    assert inherited_socket({}) is None


def test_one_socket_can_be_taken_over() -> None:
    with pytest.raises(StartupError, match="not 2"):
        inherited_socket({"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid())})


def test_the_gap_between_two_servers_is_short() -> None:
    """What a client waits for whose connection comes in between; the machine may be busy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with activated(listener) as first:
            assert ask(port)
            first.terminate()
            first.wait(10)
        started = time.monotonic()
        with activated(listener):
            assert ask(port)
        assert time.monotonic() - started < 30
