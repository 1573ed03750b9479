"""Schemas made to do harm, sent to a server that answers others at the same time."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest

from service.constraints.json_types import Json
from tests.unit.service.constraints.hostile import COMPILED, REFUSED
from tests.unit.service.processes import ServerProcess, read_all, running

CHAT = "/v1/chat/completions"
LIMIT_S = 2.0
LIMIT_MIB = 512
MODEL = "smollm2:135m"
FREE: dict[str, object] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell a tale."}],
}
CASES: list[tuple[str, Json, int | None]] = [
    *((name, schema, 400) for name, (_, schema) in REFUSED.items() if name != "extreme depth"),
    # Some of those only the compiler can refuse.
    *((name, schema, None) for name, schema in COMPILED.items()),
]
PATIENCE = 5
"""How many times as long all may take where several tests share the processors; how much others
are held up is measured by the benchmark."""


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[ServerProcess]:
    with running("service", "--models", str(store), "--context", "512", "--slots", "2") as server:
        warm_up(server)
        yield server


def warm_up(server: ServerProcess) -> None:
    """Loads the model, and has it compile once."""
    status, _ = asked(server, {"type": "null"})
    assert status == 200


def asked(server: ServerProcess, schema: Json) -> tuple[int, float]:
    """The status, and how long it took to come."""
    begun_s = time.monotonic()
    ask = {**FREE, "max_tokens": 1, "structured_outputs": {"json": schema}}
    with server.post(CHAT, ask) as connection:
        connection.settimeout(60)
        reply = read_all(connection)
    return int(reply.split(b" ")[1]), time.monotonic() - begun_s


def intervals_s(connection: socket.socket, stop: Event) -> Iterator[float]:
    """The times between the events of a stream."""
    last_s = None
    while not stop.is_set() and connection.recv(65536):
        now_s = time.monotonic()
        if last_s is not None:
            yield now_s - last_s
        last_s = now_s


def stream_intervals_s(server: ServerProcess, stop: Event, limit: int) -> list[float]:
    """Of answers that follow one another until `stop`, or there are enough."""
    found: list[float] = []
    ask = {**FREE, "stream": True, "max_tokens": 100, "ignore_eos": True}
    while not stop.is_set() and len(found) < limit:
        with server.post(CHAT, ask) as connection:
            found += [*intervals_s(connection, stop)][1:]
    return found


def test_each_gets_an_answer_or_a_400_in_time_and_costs_little(server: ServerProcess) -> None:
    process = psutil.Process(server.process.pid)
    before_mib = process.memory_info().rss >> 20
    for name, schema, expected in CASES:
        status, took_s = asked(server, schema)
        assert status in ((200, 400) if expected is None else (expected,)), name
        assert took_s < LIMIT_S * PATIENCE, name
        assert (process.memory_info().rss >> 20) - before_mib < LIMIT_MIB, name
    assert server.process.poll() is None


def test_other_streams_go_on(server: ServerProcess) -> None:
    never, done = Event(), Event()
    alone_s = stream_intervals_s(server, never, 80)
    with ThreadPoolExecutor(1) as threads:
        following = threads.submit(stream_intervals_s, server, done, 10_000)
        while not following.running():
            time.sleep(0.01)
        for _, schema, _ in CASES:
            assert isinstance(schema, dict)
            asked(server, {"$comment": "not seen before", **schema})
        done.set()
        beside_s = following.result()
    assert len(beside_s) > 20
    assert statistics.median(beside_s) < statistics.median(alone_s) * 1.2 * PATIENCE


def test_leniency_is_no_way_around(server: ServerProcess) -> None:
    for name, schema, _ in CASES:
        given = {"json": schema, "lenient": True}
        ask = {**FREE, "max_tokens": 1, "structured_outputs": given}
        with server.post(CHAT, ask) as connection:
            connection.settimeout(60)
            reply = read_all(connection)
        status = int(reply.split(b" ")[1])
        assert status in (200, 400), (name, reply, server.log()[-2000:])
    assert server.process.poll() is None
