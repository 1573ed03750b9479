"""Successors that take over, and those that do not."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator

import pytest

from service.succession import Succession, tell_predecessor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGHUP")

READY = """
import os, socket
from service.inherited import inherited_socket
from service.succession import tell_predecessor
assert inherited_socket(os.environ).getsockname()
assert tell_predecessor(os.environ)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def outcome(
    listener: socket.socket, program: str, monkeypatch: pytest.MonkeyPatch, wait_s: float = 30
) -> bool:
    """Whether we were to leave, for a successor that runs `program` and has `wait_s` seconds."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])

    async def run() -> bool:
        has_left = asyncio.Event()

        async def leave() -> None:
            has_left.set()

        succession = Succession(listener, leave, wait_s)
        succession.begin()
        task = next(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        await task
        return has_left.is_set()

    return asyncio.run(run())


def started(caplog: pytest.LogCaptureFixture) -> int:
    """The id of the process that the log says was started."""
    found = re.search(r"starting process (\d+)", caplog.text)
    assert found is not None
    return int(found[1])


def test_one_that_serves_takes_over(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert outcome(listener, READY, monkeypatch)
    assert os.waitpid(started(caplog), 0)[1] == 0


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "it ended before it served"),
        ("import time; time.sleep(60)", "it did not serve within 2 s"),
    ],
)
def test_one_that_does_not_is_ended_and_said_so(
    listener: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    program: str,
    reason: str,
) -> None:
    caplog.set_level(logging.INFO)
    assert not outcome(listener, program, monkeypatch, 2)
    assert f"no successor: {reason}" in caplog.text
    with pytest.raises(ChildProcessError):
        os.waitpid(started(caplog), os.WNOHANG)


def test_a_program_that_is_not_there_is_said_so(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert not outcome(listener, "", monkeypatch)
    assert "this process goes on" in caplog.text


def test_who_was_not_started_to_succeed_tells_nobody() -> None:
    environment = {"SUCCESSOR_PID": "1", "OTHER": "x"}
    assert tell_predecessor(environment) is None
    assert environment == {"OTHER": "x"}
