"""A child answers, runs only while it is asked, fails aloud, and is gone afterwards."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from bench.child import ChildError, child

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the state of a process is read as Linux tells it"
)


class Counter:
    """Counts asked and unasked: a thread of it never rests."""

    def __init__(self, start: int) -> None:
        self.value = start
        self.ticks = 0
        threading.Thread(target=self._tick, daemon=True).start()

    def add(self, amount: int, *, twice: bool = False) -> int:
        self.value += amount * (1 + twice)
        return self.value

    def pid(self) -> int:
        return os.getpid()

    def refuse(self) -> None:
        raise ValueError("not like this")

    def end(self) -> None:
        os._exit(1)

    def _tick(self) -> None:
        while True:
            self.ticks += 1
            time.sleep(0.001)


def _cannot_be_made() -> Counter:
    raise ValueError("no weights")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_child_keeps_its_state_and_takes_all_kinds_of_arguments() -> None:
    with child(partial(Counter, 5)) as counter:
        assert counter.call(Counter.add, 2) == 7
        assert counter.call(Counter.add, 1, twice=True) == 9


def test_a_child_lives_elsewhere_is_stopped_between_calls_and_gone_at_the_end() -> None:
    with child(partial(Counter, 0)) as counter:
        pid = counter.call(Counter.pid)
        assert pid != os.getpid()
        deadline = time.monotonic() + 5
        while _state(pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _state(pid) == "T"
    assert not Path(f"/proc/{pid}").exists()


def test_a_failed_call_is_raised_with_its_cause_and_the_next_one_works() -> None:
    with child(partial(Counter, 0)) as counter:
        with pytest.raises(ChildError, match="not like this"):
            counter.call(Counter.refuse)
        assert counter.call(Counter.add, 1) == 1


def test_a_child_that_dies_is_an_error_instead_of_an_endless_wait() -> None:
    with child(partial(Counter, 0)) as counter, pytest.raises(ChildError, match="has ended"):
        counter.call(Counter.end)


def test_what_cannot_be_made_is_an_error() -> None:
    with pytest.raises(ChildError, match="no weights"), child(_cannot_be_made):
        pytest.fail("there is no child")
