"""`python -m service` as a user meets it: starting, refusing to, being stopped."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from export.pipeline import DOWNLOADS
from tests.unit.service.processes import ServerProcess, read_all, running

CHAT = "/v1/chat/completions"
STORY: dict[str, object] = {
    "model": "smollm2:135m",
    "messages": [{"role": "user", "content": "Tell me a long story about a fox."}],
    "max_tokens": 40,
    "stream": True,
}


def start_in_vain(*arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    command = [sys.executable, "-m", "service", *arguments]
    started = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return result, time.monotonic() - started


def health_of(server: ServerProcess) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health", timeout=5) as reply:
        health: dict[str, object] = json.load(reply)
    return health


def test_wrong_settings_are_one_line_and_status_2() -> None:
    result, _ = start_in_vain("--port", "http")
    assert result.returncode == 2
    assert result.stderr == "retort: --port must be a whole number from 0 to 65535, not 'http'\n"


def test_a_port_in_use_is_one_line_and_status_1_at_once(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result, seconds = start_in_vain("--port", str(port), "--models", str(store))
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert seconds < 15


def test_a_device_that_is_not_there_is_one_line_and_status_1(store: Path) -> None:
    device = "directml" if sys.platform == "linux" else "cuda"
    result, _ = start_in_vain("--port", "0", "--models", str(store), "--device", device)
    assert result.returncode == 1
    assert result.stderr.startswith("retort: ")
    assert "Traceback" not in result.stderr


def test_help_names_every_flag() -> None:
    result, _ = start_in_vain("serve", "--help")
    assert result.returncode == 0
    for flag in ("--host", "--models", "--device", "--api-key", "--allow-public", "--no-default"):
        assert flag in result.stdout


def test_an_empty_store_gets_the_default_model(tmp_path: Path, smollm2_gguf: Path) -> None:
    (tmp_path / DOWNLOADS).symlink_to(smollm2_gguf.parents[2])
    with running("service", "--models", str(tmp_path)) as server:
        assert "models: smollm2:135m" in server.log()
        with server.post(CHAT, {**STORY, "max_tokens": 2}) as connection:
            assert b"data: [DONE]" in read_all(connection)


def test_no_default_serves_an_empty_store(tmp_path: Path) -> None:
    with running("service", "--models", str(tmp_path), "--no-default") as server:
        assert "models: none" in server.log()
        with server.post(CHAT, STORY) as connection:
            assert read_all(connection).startswith(b"HTTP/1.1 404")
    assert list(tmp_path.iterdir()) == []


def test_a_default_that_cannot_be_exported_ends_the_start(tmp_path: Path) -> None:
    store = tmp_path / "file"
    store.write_text("not a folder")
    result, _ = start_in_vain("--port", "0", "--models", str(store))
    assert result.returncode not in {0, None}
    assert "Traceback" not in result.stderr


def test_being_stopped_while_exporting_ends_both_and_leaves_no_package(
    tmp_path: Path, smollm2_gguf: Path
) -> None:
    (tmp_path / DOWNLOADS).symlink_to(smollm2_gguf.parents[2])
    command = [sys.executable, "-m", "service", "--port", "0", "--models", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "exporting" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stderr.read()
    assert not (tmp_path / "smollm2").exists()


@pytest.mark.parametrize("first", [b"", b"data: "])
def test_being_stopped_lets_answers_finish(store: Path, first: bytes) -> None:
    """While the model still loads, and while it speaks."""
    with running("service", "--models", str(store), "--context", "256") as server:
        with server.post(CHAT, STORY) as connection:
            received = b""
            while first not in received:
                received += connection.recv(65536)
            time.sleep(0.1)
            server.process.send_signal(signal.SIGTERM)
            received += read_all(connection)
        assert server.process.wait(20) == 0
    if b"HTTP/1.1 503" in received:
        assert b"shutting_down" in received
    else:
        assert b'"finish_reason":"length"' in received
        assert b"data: [DONE]" in received


def test_being_stopped_ends_long_answers_with_an_error_event(store: Path) -> None:
    with running("service", "--models", str(store), "--drain-timeout", "0.5") as server:
        with server.post(CHAT, {**STORY, "max_tokens": 4000}) as connection:
            connection.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            received = read_all(connection)
        assert server.process.wait(20) == 0
    assert b'"code":"shutting_down"' in received
    assert b"data: [DONE]" in received


def test_a_killed_server_starts_again(store: Path) -> None:
    with running("service", "--models", str(store)) as server:
        os.kill(server.process.pid, signal.SIGKILL)
    with running("service", "--models", str(store)) as server:
        assert health_of(server)["status"] == "ok"


def test_a_full_queue_is_a_429_that_says_when_to_come_back(store: Path) -> None:
    limits = ("--slots", "1", "--max-queue", "0", "--context", "2048")
    with running("service", "--models", str(store), *limits) as server:
        with server.post(CHAT, {**STORY, "max_tokens": 1500}) as first:
            while b"data: " not in first.recv(65536):
                pass
            with server.post(CHAT, STORY) as second:
                refusal = read_all(second)
        assert refusal.startswith(b"HTTP/1.1 429")
        assert b"retry-after: " in refusal
        assert b'"code":"queue_full"' in refusal
        deadline = time.monotonic() + 5
        while b"HTTP/1.1 200" not in refusal:
            assert time.monotonic() < deadline, "the slot of a gone client was not freed"
            with server.post(CHAT, {**STORY, "max_tokens": 1}) as third:
                refusal = read_all(third)


def test_health_tells_the_device_and_what_is_loaded(store: Path) -> None:
    with running("service", "--models", str(store), "--context", "256") as server:
        assert health_of(server)["models"] == []
        with server.post(CHAT, {**STORY, "max_tokens": 1}) as connection:
            read_all(connection)
        health = health_of(server)
    assert health["status"] == "ok"
    assert health["device_reason"]
    models = health["models"]
    assert isinstance(models, list)
    (model,) = models
    assert isinstance(model["expires_at"], str)
    assert 0 < model["size"] == health["memory_reserved"]
    assert {name: model[name] for name in ("name", "names", "status", "context_length")} == {
        "name": "smollm2:135m",
        "names": ["smollm2:135m"],
        "status": "ready",
        "context_length": 256,
    }


def upload_head(blob: bytes) -> bytes:
    digest = hashlib.sha256(blob).hexdigest()
    return (
        f"POST /api/blobs/sha256:{digest} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"content-length: {len(blob)}\r\n\r\n"
    ).encode()


def test_an_upload_that_was_killed_leaves_nothing_beside_the_next(tmp_path: Path) -> None:
    blob = b"GGUF" * 500_000
    serving = ("service", "--models", str(tmp_path), "--no-default")
    with running(*serving) as server, server.connect() as connection:
        connection.sendall(upload_head(blob) + blob[:-1])
        deadline = time.monotonic() + 20
        while not any(path.stat().st_size for path in tmp_path.rglob("blob")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.process.kill()
        server.process.wait()
    assert list(tmp_path.rglob("blob"))
    with running(*serving) as server:
        with server.connect() as connection:
            connection.sendall(upload_head(blob) + blob)
            assert read_all(connection).startswith(b"HTTP/1.1 201")
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [size for path in files if (size := path.stat().st_size)] == [len(blob)]
