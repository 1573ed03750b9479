"""What is counted of requests, whatever they ask for."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final, TypeAlias

from service.metrics import Histogram

Endpoint: TypeAlias = str
"""A route as it is declared, so that there are no more of them than routes; "none" for no route."""

_DURATION_BOUNDS_S: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)


class HttpMetrics:
    """All requests of an application, by route; durations last until the end of the reply."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[Endpoint, int]] = Counter()
        self.durations_s: defaultdict[Endpoint, Histogram] = defaultdict(
            lambda: Histogram(_DURATION_BOUNDS_S)
        )

    def record(self, endpoint: Endpoint, status: int, duration_s: float) -> None:
        self.requests[endpoint, status] += 1
        self.durations_s[endpoint].observe(duration_s)
