"""Requests made in one line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from service.engine.request import Request, SamplingParams

GREEDY = SamplingParams(temperature=0.0)
SEEDED = SamplingParams(temperature=1.0, seed=7)

_ids = count()


def make_request(
    prompt: Sequence[int],
    *,
    max_tokens: int = 4,
    sampling: SamplingParams = GREEDY,
    stop: frozenset[int] = frozenset(),
) -> Request:
    return Request(next(_ids), list(prompt), max_tokens, stop, sampling)
