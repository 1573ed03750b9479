"""What is counted of the models' work, in plain numbers, which `GET /metrics` tells."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Outcome: TypeAlias = Literal["stop", "length", "cancelled", "error"]

_FIRST_TOKEN_BOUNDS_S: Final = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
_PER_TOKEN_BOUNDS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5),
)


class Histogram:
    """How many values fell between which bounds; each bound belongs to what lies below it."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Each bound, and how many values are not above it; "+Inf" last."""
        total = 0
        rows = []
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            rows.append((str(bound), float(total)))
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedGeneration:
    """A generation that is over. The times are of one monotonic clock, in seconds; `first_s` is
    None if it was over before anything came of it."""

    outcome: Outcome
    num_prompt_tokens: int
    num_cached_tokens: int
    num_output_tokens: int
    started_s: float
    first_s: float | None
    ended_s: float


@dataclass(eq=False, slots=True)
class GenerationMetrics:
    """All generations of one model. Prompts count once something has come of them."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_output_tokens: int = 0
    num_misformed: int = 0
    """Answers that failed the last check of the form that they were held to."""
    first_token_s: Histogram = field(default_factory=lambda: Histogram(_FIRST_TOKEN_BOUNDS_S))
    per_token_s: Histogram = field(default_factory=lambda: Histogram(_PER_TOKEN_BOUNDS_S))

    def record(self, ended: EndedGeneration) -> None:
        self.outcomes[ended.outcome] += 1
        if ended.first_s is None:
            return
        self.num_prompt_tokens += ended.num_prompt_tokens
        self.num_cached_tokens += ended.num_cached_tokens
        self.num_output_tokens += ended.num_output_tokens
        self.first_token_s.observe(ended.first_s - ended.started_s)
        if ended.num_output_tokens > 1:
            duration_s = ended.ended_s - ended.first_s
            self.per_token_s.observe(duration_s / (ended.num_output_tokens - 1))


@dataclass(frozen=True, slots=True)
class KvUsage:
    """Tokens in the KV cache: of requests that run, kept for those to come, and what it holds."""

    num_used: int
    num_kept: int
    capacity: int


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """A loaded model now, and what it has done: a decoder's generations since the service
    started, an encoder's tokens since it was loaded."""

    name: str
    num_running: int
    num_waiting: int
    generations: GenerationMetrics | None = None
    kv: KvUsage | None = None
    num_encoded_tokens: int | None = None
