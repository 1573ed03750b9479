"""The simplest constraint that says what may come, and what must."""

from __future__ import annotations

import itertools

import numpy as np

from service.engine.bitmask import Bits
from service.engine.constraint import ConstraintError


class Pattern:
    """The output is one token of each set, one after the other."""

    def __init__(self, *sets: set[int], fails_at: int | None = None) -> None:
        self._sets = sets
        self._fails_at = fails_at
        self._position = 0

    @property
    def is_finished(self) -> bool:
        return self._position == len(self._sets)

    def fill(self, bits: Bits) -> bool:
        if self._position == self._fails_at:
            raise ConstraintError("a limit was met")
        if not self._sets[self._position]:
            return False
        for token_id in self._sets[self._position]:
            bits[token_id // 32] |= np.int32(1) << (token_id % 32)
        return True

    def forced(self) -> list[int]:
        rest = itertools.takewhile(lambda allowed: len(allowed) == 1, self._sets[self._position :])
        return [token_id for allowed in rest for token_id in allowed]

    def consume(self, token_id: int) -> None:
        allowed = self._sets[self._position]
        if allowed and token_id not in allowed:
            raise ConstraintError("not allowed")
        self._position += 1

    def completion(self) -> list[int]:
        return [min(allowed) for allowed in self._sets[self._position :]]
