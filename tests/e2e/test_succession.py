"""SIGHUP: another process takes over, and no client notices."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.unit.service.processes import ServerProcess, read_all, running

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGHUP")

ASK = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
STORY: dict[str, object] = {
    "model": "smollm2:135m",
    "messages": [{"role": "user", "content": "Tell me a long story about a fox."}],
    "max_tokens": 200,
    "stream": True,
}


def answered(server: ServerProcess) -> bool:
    with server.connect() as connection:
        connection.sendall(ASK)
        return read_all(connection).startswith(b"HTTP/1.1 200")


def hammer(server: ServerProcess, enough: Event) -> list[float]:
    """How long each answer took, in seconds; fails for a connection that was refused or reset."""
    seconds = []
    while not enough.is_set():
        started = time.monotonic()
        assert answered(server)
        seconds.append(time.monotonic() - started)
        time.sleep(0.002)
    return seconds


def test_nobody_is_refused_and_streams_end_whole(store: Path) -> None:
    enough = Event()
    with (
        running("service", "--models", str(store), "--context", "512") as server,
        ThreadPoolExecutor() as threads,
    ):
        stream = server.post("/v1/chat/completions", STORY)
        stream.settimeout(60)
        received = b""
        while b"data: " not in received:
            received += stream.recv(65536)
        rest = threads.submit(read_all, stream)
        clients = [threads.submit(hammer, server, enough) for _ in range(2)]
        try:
            server.process.send_signal(signal.SIGHUP)
            assert server.process.wait(90) == 0
            time.sleep(0.3)
        finally:
            enough.set()
        slowest = max(max(client.result()) for client in clients)
        received += rest.result()
        stream.close()
        assert answered(server)
        assert server.log().count("listening on") == 2
    assert b"data: [DONE]" in received
    assert slowest < 10


def test_a_successor_that_cannot_start_changes_nothing(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "retort.toml"
    file.write_text("")
    with running("service", "--models", str(store), "--config", str(file)) as server:
        file.write_text("context = 'long'")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("no successor: it ended before it served", 60)
        assert str(file) in server.log()
        assert answered(server)
        file.write_text("")
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(90) == 0
        assert answered(server)


def test_being_stopped_ends_a_successor_that_does_not_serve_yet(store: Path) -> None:
    with running("service", "--models", str(store)) as server:
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("to take over", 10)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        with pytest.raises(ProcessLookupError):
            os.killpg(server.process.pid, 0)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket at which a service manager listens to what its services say."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listening


def test_the_service_manager_hears_of_it(store: Path, manager: socket.socket) -> None:
    with running("service", "--models", str(store)) as server:
        assert manager.recv(200) == b"READY=1"
        server.process.send_signal(signal.SIGHUP)
        assert manager.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        second = successor_of(manager)
        assert server.process.wait(90) == 0
        os.kill(second, signal.SIGHUP)
        assert manager.recv(200).startswith(b"RELOADING=1\n")
        assert successor_of(manager) not in {second, server.process.pid}
        assert answered(server)


def successor_of(manager: socket.socket) -> int:
    main, ready = manager.recv(200).split(b"\n")
    assert ready == b"READY=1"
    assert main.startswith(b"MAINPID=")
    return int(main.partition(b"=")[2])
