"""Constraints on the answers of models that think first: thoughts are free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from service.engine.bitmask import Bits, allow
from service.engine.constraint import Constraint


class _Where(Enum):
    BEFORE = "nothing has come, and thoughts may"
    INSIDE = "in the thoughts"
    BEHIND = "in what is constrained"


class BehindThoughts:
    """A Constraint that holds once the thoughts of a reasoning model have ended.

    Thoughts end with `close`. The output begins inside them; or, with an `opening_id`, either
    with that token and thoughts or with what is constrained.
    """

    def __init__(
        self,
        constraint: Constraint,
        token_bytes: Callable[[int], bytes],
        *,
        close: str,
        opening_id: int | None = None,
    ) -> None:
        self._constraint = constraint
        self._token_bytes = token_bytes
        self._close = close.encode()
        self._opening_id = opening_id
        self._where = _Where.INSIDE if opening_id is None else _Where.BEFORE
        self._tail = b""

    @property
    def is_finished(self) -> bool:
        return self._where is _Where.BEHIND and self._constraint.is_finished

    def fill(self, bits: Bits) -> bool:
        if self._where is _Where.INSIDE:
            return False
        is_limited = self._constraint.fill(bits)
        if self._where is _Where.BEFORE and self._opening_id is not None:
            allow(bits, self._opening_id)
        return is_limited

    def forced(self) -> Sequence[int]:
        return self._constraint.forced() if self._where is _Where.BEHIND else ()

    def consume(self, token_id: int) -> None:
        if self._where is _Where.INSIDE:
            self._think(self._token_bytes(token_id))
        elif self._where is _Where.BEFORE and token_id == self._opening_id:
            self._where = _Where.INSIDE
        else:
            self._where = _Where.BEHIND
            self._constraint.consume(token_id)

    def completion(self) -> Sequence[int]:
        """Of what follows the thoughts, whether those have ended or not."""
        return self._constraint.completion()

    def _think(self, written: bytes) -> None:
        text = self._tail + written
        self._tail = text[-len(self._close) :]
        if self._close in text:
            self._where = _Where.BEHIND
