"""Keys of objects, held against the patterns of `patternProperties`."""

from __future__ import annotations

from collections.abc import Collection

from service.constraints.expressions import Expressions
from service.constraints.problem import Trail, unenforceable

MAX_COMPARED = 1 << 16
"""Characters of names, each time one is held against a pattern; and what compiling a pattern takes
counts as _OF_A_PATTERN of them. All together take a quarter of a second."""

_OF_A_PATTERN = 1 << 8
_OF_A_CALL = 1 << 3


class Names:
    """Compares within a budget, for the checks of one schema."""

    def __init__(self) -> None:
        self._expressions = Expressions()
        self._matched: dict[tuple[str, str], bool] = {}
        self._exhausted: dict[tuple[str, frozenset[str]], bool] = {}
        self._patterns: set[str] = set()
        self._num_compared = 0

    def match(self, pattern: str, name: str, trail: Trail) -> bool:
        """Whether `pattern`, which the guard has let pass, is found in `name`.

        Raises SchemaProblem where it is too much to compare.
        """
        key = (pattern, name)
        if key not in self._matched:
            self._spend(pattern, len(name) + _OF_A_CALL, trail)
            self._matched[key] = self._expressions.is_match(pattern, name)
        return self._matched[key]

    def exhaust(self, names: Collection[str], pattern: str, trail: Trail) -> bool:
        """Whether a key that `pattern` is found in can be none but one of `names`.

        Raises SchemaProblem where it is too much to compare.
        """
        key = (pattern, frozenset(names))
        if key not in self._exhausted:
            # What a look takes grows with the pattern.
            amount = 1 + len(pattern) // 8
            self._exhausted[key] = self._expressions.is_exhausted(
                pattern, names, lambda: self._spend(pattern, amount, trail)
            )
        return self._exhausted[key]

    def _spend(self, pattern: str, amount: int, trail: Trail) -> None:
        if pattern not in self._patterns:
            self._patterns.add(pattern)
            amount += _OF_A_PATTERN
        self._num_compared += amount
        if self._num_compared > MAX_COMPARED:
            detail = ": there are too many names and patterns to compare"
            raise unenforceable(trail, "patternProperties", detail)
