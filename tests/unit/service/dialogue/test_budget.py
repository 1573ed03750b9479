from __future__ import annotations

import pytest
from jinja2.exceptions import SecurityError

from service.dialogue.budget import Budget

MANY = 50_000


class _Clock:
    """CPU time that passes with every look at it."""

    def __init__(self, s_per_look: float) -> None:
        self._s_per_look = s_per_look
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += self._s_per_look
        return self._now_s


def _spend(budget: Budget, times: int) -> None:
    for _ in range(times):
        budget.spend(1)


def test_a_second_is_free_whatever_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.dialogue.budget.time.thread_time", _Clock(0.3))
    with pytest.raises(SecurityError, match=r"computes for more than 1 s"):
        _spend(Budget(0, 0), 2_000)


def test_many_messages_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.dialogue.budget.time.thread_time", _Clock(0.3))
    _spend(Budget(MANY, MANY), 2_000)
    with pytest.raises(SecurityError, match=r"computes for more than 11 s"):
        _spend(Budget(MANY, MANY), 20_000)


def test_text_without_end_is_noticed() -> None:
    budget = Budget(10, 1)
    budget.spend(1 << 22)
    with pytest.raises(SecurityError, match="too much text"):
        budget.spend(1 << 22)
