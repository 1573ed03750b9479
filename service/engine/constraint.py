"""What the engine asks of a constraint on a request's output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Requests carry constraints, and those who account for them know no tensor.
    from service.engine.bitmask import Bits


class Constraint(Protocol):
    """The state of one request's output. Used by one thread at a time."""

    @property
    def is_finished(self) -> bool:
        """Whether the output is complete and nothing may follow."""
        ...

    def fill(self, bits: Bits) -> bool:
        """Writes which tokens may come next; False if all may. Raises ConstraintError."""
        ...

    def forced(self) -> Sequence[int]:
        """The tokens that must come next whatever the model says, [] where there is a choice."""
        ...

    def consume(self, token_id: int) -> None:
        """Takes the token that came. Raises ConstraintError if it may not."""
        ...

    def completion(self) -> Sequence[int]:
        """Tokens with which the output, JSON that was cut, is complete.

        Raises ConstraintError if there are none, or they are too many to look for.
        """
        ...


class CompiledConstraint(Protocol):
    """What the outputs of several requests can be held to at once."""

    def begin(self) -> Constraint:
        """The state of an output that is about to begin."""
        ...


class ConstraintError(Exception):
    """The constraint cannot go on: a defect or a limit, never the model's choice."""
