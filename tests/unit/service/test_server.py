"""The process: how it starts, how it ends, and that no connection outstays its time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import h11
import pytest
import uvicorn

from service import http_protocol
from service.api import long_body
from service.app import create_app
from service.errors import StartupError
from service.server import Server, bound_socket
from service.settings import Settings
from tests.unit.service.processes import read_all, running
from tests.unit.service.serve_fake import open_pool

FAKE = "tests.unit.service.serve_fake"
CHAT = "/v1/chat/completions"


def ask(length: int, *, stream: bool = True) -> dict[str, object]:
    """A request for about `length` ticks of 10 ms; for ever from 999 on, large ones from 1000."""
    message = {"role": "user", "content": "x" * length}
    return {"model": "tiny:1b", "messages": [message], "stream": stream}


def test_a_port_in_use_is_told_in_one_line_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            bound_socket(Settings(port=port))
    assert "\n" not in caught.value.message


def test_a_port_is_taken_as_soon_as_it_is_bound() -> None:
    with bound_socket(Settings(port=0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartupError):
            bound_socket(Settings(port=port))


@pytest.mark.anyio
async def test_small_writes_do_not_wait_for_acknowledgements() -> None:
    """Nagle's algorithm would hold tokens, and every reply on a kept connection, for 40 ms."""
    delays = asyncio.get_running_loop().create_future()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        delays.set_result(not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with bound_socket(Settings(port=0)) as listener:
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert not await delays
            writer.close()


def test_an_address_that_is_not_ours_is_told_in_one_line() -> None:
    with pytest.raises(StartupError, match=r"cannot listen on no-such-host\.invalid"):
        bound_socket(Settings(host="no-such-host.invalid", port=0))
    with pytest.raises(StartupError, match="that is no host name"):
        bound_socket(Settings(host="a" * 100, port=0))
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1"):
        bound_socket(Settings(host="192.0.2.1", port=0))


def test_a_pool_that_cannot_be_opened_is_told_in_one_line() -> None:
    command = [sys.executable, "-m", FAKE, "--port", "0", "--device", "cuda"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert result.stderr == "retort: CUDA does not work here: libcudart is missing\n"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_server_lets_answers_finish_and_exits_0(stop: signal.Signals) -> None:
    with running(FAKE) as server:
        with server.post(CHAT, ask(100)) as connection:
            received = connection.recv(65536)
            server.process.send_signal(stop)
            server.wait_for("stopping")
            with pytest.raises(OSError, match="refused"):
                server.connect()
            received += read_all(connection)
        assert server.process.wait(20) == 0
    assert received.startswith(b"HTTP/1.1 200")
    assert b'"finish_reason":"stop"' in received
    assert b"data: [DONE]\n\n" in received


def test_answers_that_take_too_long_end_with_an_error_event() -> None:
    with running(FAKE, "--drain-timeout", "0.5") as server:
        with server.post(CHAT, ask(999)) as connection:
            connection.recv(100)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            received = read_all(connection)
        assert server.process.wait(20) == 0
    assert 0.4 < time.monotonic() - started < 10
    assert b'"code":"shutting_down"' in received
    assert received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_an_idle_server_stops_at_once_though_connections_are_open() -> None:
    with running(FAKE) as server, server.connect():
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert time.monotonic() - started < 10


def test_who_has_connected_when_the_server_is_stopped_is_answered() -> None:
    with running(FAKE) as server, server.connect() as connection:
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        received = read_all(connection)
        assert server.process.wait(20) == 0
    assert received.startswith(b"HTTP/1.1 503")
    assert b'"status":"draining"' in received


def test_a_second_signal_ends_the_process_at_once() -> None:
    with running(FAKE) as server, server.post(CHAT, ask(999)) as connection:
        connection.recv(100)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 128 + signal.SIGTERM


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_hanging_up_aborts_the_answer(stream: bool, reset: bool) -> None:
    with running(FAKE) as server:
        connection = server.post(CHAT, ask(999, stream=stream))
        if stream:
            connection.recv(100)
        else:
            time.sleep(0.2)
        if reset:
            linger_none = b"\x01\0\0\0\0\0\0\0"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        connection.close()
        server.wait_for("aborted")
        with server.post(CHAT, ask(1)) as other:
            assert b"[DONE]" in read_all(other)


@pytest.mark.parametrize("behind", [b"\r\n", b"G", b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"])
def test_hanging_up_is_seen_behind_whatever_was_sent_after_the_request(behind: bytes) -> None:
    body = json.dumps(ask(999, stream=False)).encode()
    with running(FAKE) as server:
        with server.connect() as connection:
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.2)
            connection.sendall(behind)
            time.sleep(0.2)
        server.wait_for("aborted")


@asynccontextmanager
async def serving(models: Path | None = None) -> AsyncIterator[int]:
    """The server in this process, so that its deadlines can be made short; yields its port."""
    settings = Settings(port=0, drain_timeout_s=0)
    if models is not None:
        settings = replace(settings, models_folder=models)
    app = create_app(settings, open_pool)
    config = uvicorn.Config(
        app, http=http_protocol.DeadlineProtocol, ws="none", lifespan="on", log_config=None
    )
    config.timeout_graceful_shutdown = 2
    with bound_socket(settings) as listener:
        server = Server(config, app, settings)
        task = asyncio.create_task(server.serve([listener]))
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def closed_within(reader: asyncio.StreamReader, limit_s: float) -> float:
    """Seconds until the server has closed the connection."""
    started = time.monotonic()
    async with asyncio.timeout(limit_s):
        await reader.read()
    return time.monotonic() - started


HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1", HEAD, HEAD + b"content-length: 9\r\n\r\n{", b"GET / HTTP/1.1\r\n"]
)
async def test_who_does_not_finish_a_request_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    for phase in (h11.IDLE, h11.SEND_BODY):
        monkeypatch.setitem(http_protocol._DEADLINES, phase, 0.3)
    async with serving() as port, connected(port) as (reader, writer):
        for byte in sent:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await closed_within(reader, 5) > 0.1


@pytest.mark.anyio
async def test_who_does_not_finish_what_follows_a_request_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(http_protocol._DEADLINES, h11.SEND_BODY, 0.3)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        writer.write(HEAD + b"content-length: 9\r\n\r\n{")
        await closed_within(reader, 5)


@pytest.mark.anyio
async def test_a_byte_now_and_then_does_not_buy_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http_protocol._DEADLINES, h11.IDLE, 0.3)
    async with serving() as port, connected(port) as (reader, writer):
        closing = asyncio.create_task(closed_within(reader, 5))
        while not closing.done():
            writer.write(b"a")
            await asyncio.sleep(0.05)
        await closing


@pytest.mark.anyio
async def test_a_connection_is_kept_for_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http_protocol._DEADLINES, h11.IDLE, 0.3)
    async with serving() as port, connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            async with asyncio.timeout(3):
                assert (await reader.readuntil(b"Ollama is running")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)


@pytest.mark.anyio
async def test_who_does_not_read_is_cut_off_and_the_answer_aborted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http_protocol, "STALL_DEADLINE_S", 0.3)
    body = json.dumps(ask(1000)).encode()
    async with serving() as port:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            client.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            printed = ""
            async with asyncio.timeout(20):
                while "aborted" not in printed:
                    await asyncio.sleep(0.1)
                    printed += capfd.readouterr().err


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 70_000,
        HEAD + b"content-length: x\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_is_a_400_in_openais_shape(sent: bytes) -> None:
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(3):
            reply = await reader.read()
    assert reply.startswith(b"HTTP/1.1 400")
    assert b'"type":"invalid_request_error"' in reply


def answer_to_late_sender(port: int, head: bytes, rest: bytes) -> bytes:
    """What a client reads that looks for an answer only when it has sent everything, which is after
    the server has given it."""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(head)
        select.select([client], [], [], 5)
        for start in range(0, len(rest), 65536):
            client.sendall(rest[start : start + 65536])
            time.sleep(0.001)
        return read_all(client)


CLOSING = HEAD + b"connection: close\r\ncontent-length: 4000000\r\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (CLOSING + b"origin: http://evil.example\r\n\r\n", b"403"),
        (CLOSING.replace(b"chat", b"chats") + b"\r\n", b"404"),
        (HEAD + b"content-length: 400\r\ncontent-length: 4000000\r\n\r\n", b"400"),
        (HEAD + b"x: " + b"y" * 70_000, b"400"),
    ],
)
async def test_who_is_refused_while_still_sending_can_read_why(head: bytes, status: bytes) -> None:
    async with serving() as port:
        answer = await asyncio.to_thread(answer_to_late_sender, port, head, b"x" * 4_000_000)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b'"error":' in answer


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("phase", "sent"),
    [
        (h11.SEND_BODY, CLOSING + b"origin: null\r\n\r\n"),
        (h11.ERROR, b"?\r\n\r\n"),
        (h11.ERROR, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n?\r\n\r\n"),
    ],
)
async def test_who_is_refused_and_never_ends_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, phase: object, sent: bytes
) -> None:
    monkeypatch.setitem(http_protocol._DEADLINES, phase, 0.3)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(sent)
        await closed_within(reader, 5)
        async with asyncio.timeout(5):
            while not writer.transport.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.02)


UPLOAD = (
    b"POST /api/blobs/sha256:%s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    b"content-length: 4\r\n\r\n"
)


@pytest.mark.anyio
async def test_an_upload_may_take_longer_than_other_bodies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(http_protocol._DEADLINES, h11.SEND_BODY, 0.3)
    digest = hashlib.sha256(b"GGUF").hexdigest()
    async with serving(tmp_path) as port, connected(port) as (reader, writer):
        writer.write(UPLOAD % digest.encode())
        for byte in b"GGUF":
            await asyncio.sleep(0.2)
            writer.write(bytes([byte]))
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 201")
    assert (tmp_path / ".blobs" / f"sha256-{digest}").read_bytes() == b"GGUF"


@pytest.mark.anyio
async def test_a_stalled_upload_is_ended_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(long_body, "PIECE_DEADLINE_S", 0.3)
    async with serving(tmp_path) as port, connected(port) as (reader, writer):
        writer.write(UPLOAD % (b"0" * 64) + b"GG")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
    assert not list(tmp_path.rglob("*blob*"))


@pytest.mark.anyio
async def test_an_upload_whose_client_goes_midway_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        async with connected(port) as (_, writer):
            writer.write(UPLOAD % (b"0" * 64) + b"GG")
            async with asyncio.timeout(5):
                while not list(tmp_path.rglob("blob")):
                    await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while list(tmp_path.rglob("*scratch*")):
                await asyncio.sleep(0.01)
    assert not list(tmp_path.rglob("*blob*"))


@pytest.mark.anyio
@pytest.mark.parametrize("sent", [b"", b"GG"])
async def test_a_refused_upload_has_the_usual_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: bytes
) -> None:
    monkeypatch.setitem(http_protocol._DEADLINES, h11.SEND_BODY, 0.3)
    head = (UPLOAD % b"short").replace(b"connection: close\r\n", b"")
    async with serving(tmp_path) as port, connected(port) as (reader, writer):
        writer.write(head + sent)
        await closed_within(reader, 5)
