"""The values of `const` and `enum`: those that an output can have exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from service.constraints.json_types import Json
from service.constraints.numbers import check_exact
from service.constraints.problem import Trail, unenforceable
from service.constraints.shapes import is_number

_NEEDS_A_CODE = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f]")
"""Characters that JSON writes as \\u and their code.

Such escapes are not allowed in outputs: with them a key could be written in a second way, and be
taken for one that the schema does not name.
"""


def check_literals(keywords: Mapping[str, Json], trail: Trail) -> None:
    """Raises SchemaProblem for what can only be written otherwise than it would be enforced."""
    for keyword in ("const", "enum"):
        for value in _scalars_in(keywords.get(keyword)):
            if isinstance(value, str):
                if _NEEDS_A_CODE.search(value):
                    raise unenforceable(trail, keyword, " with control characters in a string")
            elif is_number(value):
                check_exact(value, keyword, trail)
            else:
                raise unenforceable(trail, keyword, " with a number that JSON has not")


def _scalars_in(value: Json) -> Iterator[int | float | str]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            yield value
