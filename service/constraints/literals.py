"""The values of `const` and `enum`: those that an output can have exactly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from service.constraints.json_types import Json
from service.constraints.lengths import MAX_PROPERTIES, MAX_SCHEMAS
from service.constraints.numbers import check_exact
from service.constraints.problem import SchemaProblem, Trail, unenforceable
from service.constraints.shapes import is_number

_NEEDS_A_CODE = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f]")
"""Characters that JSON writes as \\u and their code.

Such escapes are not allowed in outputs: with them a key could be written in a second way, and be
taken for one that the schema does not name.
"""


def check_literals(keywords: Mapping[str, Json], trail: Trail) -> None:
    """Raises SchemaProblem for what can only be written otherwise than it would be enforced, and
    for objects of more keys than the compiler has time for: it takes the square of their number."""
    for keyword in ("const", "enum"):
        for value in _values_in(keywords.get(keyword)):
            if isinstance(value, dict):
                if len(value) > MAX_PROPERTIES:
                    detail = f"has an object of more than {MAX_PROPERTIES} keys"
                    raise SchemaProblem(trail, keyword, detail)
            elif isinstance(value, str):
                if _NEEDS_A_CODE.search(value):
                    raise unenforceable(trail, keyword, " with control characters in a string")
            elif is_number(value):
                check_exact(value, keyword, trail)
            else:
                raise unenforceable(trail, keyword, " with a number that JSON has not")


def check_num_keys(schemas: Iterable[Mapping[str, Json]], trail: Trail) -> None:
    """The same, of all constants of a schema together: each key is a schema to the compiler."""
    literals = (keywords.get(keyword) for keywords in schemas for keyword in ("const", "enum"))
    objects = (value for each in literals for value in _values_in(each) if isinstance(value, dict))
    if sum(map(len, objects)) > MAX_SCHEMAS:
        raise SchemaProblem(trail, None, f"its constants have more than {MAX_SCHEMAS} keys")


def _values_in(value: Json) -> Iterator[int | float | str | dict[str, Json]]:
    """But arrays and what is written in one way only."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            yield value
