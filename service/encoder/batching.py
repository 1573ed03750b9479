"""Which waiting sequences are computed together: of similar length, from all requests alike."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.encoder.tokens import Tokens

JobT = TypeVar("JobT")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch has at most `max_tokens`, padding included, or is a single sequence; none of its
    sequences is more than `max_padding` tokens shorter than the longest."""

    max_tokens: int
    max_padding: int


CPU_LIMITS = BatchLimits(max_tokens=1024, max_padding=5)
"""A run costs a small encoder as much as a dozen tokens, and from some hundred tokens on a batch
does not get cheaper per token (all-MiniLM-L6-v2, two cores: 332 µs at 8 tokens, 112 at 512, 133 at
4,096); smaller batches let a new request in sooner."""

DEVICE_LIMITS = BatchLimits(max_tokens=16_384, max_padding=64)
"""A GPU computes in parallel what a processor does one by one, so padding costs less."""


@dataclass(frozen=True, slots=True)
class Place(Generic[JobT]):
    """A sequence of a job by its index there."""

    job: JobT
    index: int


@dataclass(slots=True)
class _Waiting:
    """The sequences of a job that are still to be computed, by length, the longest last."""

    sequences: Sequence[Tokens]
    indices: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.indices = sorted(range(len(self.sequences)), key=self._length_of)

    def longest(self) -> int:
        return self._length_of(self.indices[-1])

    def take(self, at_most: int, at_least: int, count: int) -> list[int]:
        """Removes up to `count` sequences of those lengths, the longest first."""
        end = bisect_right(self.indices, at_most, key=self._length_of)
        start = end
        while start > 0 and end - start < count:
            if self._length_of(self.indices[start - 1]) < at_least:
                break
            start -= 1
        taken = self.indices[start:end]
        del self.indices[start:end]
        return taken[::-1]

    def _length_of(self, index: int) -> int:
        return len(self.sequences[index])


class Batcher(Generic[JobT]):
    """The jobs whose sequences wait. They take turns, so that none waits for all of another's."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: OrderedDict[JobT, _Waiting] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, job: JobT, sequences: Sequence[Tokens]) -> None:
        """Lets the sequences of `job`, at least one, wait."""
        self._waiting[job] = _Waiting(sequences)

    def remove(self, job: JobT) -> None:
        """Forgets what waits of `job`; one that has none waiting is no error."""
        self._waiting.pop(job, None)

    def next_batch(self) -> list[Place[JobT]]:
        """Takes the longest sequence of the job whose turn it is, and what goes well with it."""
        first = next(iter(self._waiting))
        at_most = self._waiting[first].longest() + self._limits.max_padding
        candidates = (waiting.longest() for waiting in self._waiting.values())
        longest = max(length for length in candidates if length <= at_most)
        shortest = longest - self._limits.max_padding
        room = max(1, self._limits.max_tokens // max(1, longest))
        batch: list[Place[JobT]] = []
        for job, waiting in self._waiting.items():
            if len(batch) == room:
                break
            taken = waiting.take(longest, shortest, room - len(batch))
            batch += [Place(job, index) for index in taken]
        self._waiting.move_to_end(first)
        for job in {place.job for place in batch}:
            if not self._waiting[job].indices:
                del self._waiting[job]
        return batch
