"""One constraint after another: what comes before an answer's text, and the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.engine.bitmask import Bits
from service.engine.constraint import CompiledConstraint, Constraint


@dataclass(frozen=True, slots=True)
class CompiledFollowing:
    """What outputs are begun from: `first` leads up to `second`."""

    first: CompiledConstraint
    second: CompiledConstraint

    def begin(self) -> Following:
        """The state of an output that is about to begin."""
        return Following(self.first.begin(), self.second.begin())


class Following:
    """A Constraint: `first` until that is finished, and then `second`."""

    def __init__(self, first: Constraint, second: Constraint) -> None:
        self._first = first
        self._second = second

    @property
    def is_finished(self) -> bool:
        return self._first.is_finished and self._second.is_finished

    def fill(self, bits: Bits) -> bool:
        return self._current.fill(bits)

    def forced(self) -> Sequence[int]:
        return self._current.forced()

    def consume(self, token_id: int) -> None:
        self._current.consume(token_id)

    def completion(self) -> Sequence[int]:
        """Of the second, whether the first has ended or not."""
        return self._second.completion()

    @property
    def _current(self) -> Constraint:
        return self._second if self._first.is_finished else self._first
