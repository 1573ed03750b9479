"""How large a result may get, said before it is made.

One operation of a template can ask for gigabytes (`"a" * 10**9`, `x | center(10**9)`), and once
the interpreter is at it nothing can stop it. The numbers are upper bounds, in characters or items.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Sized
from math import prod

from jinja2.exceptions import SecurityError

_MAX_INT_BITS = 4096
_MAX_ITEMS = 200_000
_WIDE_FORMAT = re.compile(r"\d{5}|%[^a-zA-Z%]*\*|\{[^{}]*\{")
_GROWING = frozenset(
    (
        *("batch", "center", "expandtabs", "indent", "ljust", "replace", "rjust", "slice"),
        *("tojson", "translate", "truncate", "wordwrap", "zfill"),
    )
)
_CONSTANT = frozenset(("attr", "count", "d", "default", "first", "last", "length"))
_PER_ITEM = frozenset(
    (
        *("dictsort", "groupby", "items", "list", "map", "max", "min", "random", "reject"),
        *("rejectattr", "reverse", "select", "selectattr", "sort", "sum", "unique"),
    )
)


def of_call(
    name: str, subject: object, args: Sequence[object], kwargs: Mapping[str, object]
) -> int:
    """What the method or filter `name` may make of `subject`.

    Raises SecurityError for formats whose width is beyond any text's.
    """
    if name in _CONSTANT:
        return 1
    if name in _PER_ITEM:
        return _length(subject)
    others = [*args, *kwargs.values()]
    if name in ("format", "format_map"):
        return _of_format(subject, others)
    if name == "join":
        return size(subject) * max(map(size, others), default=1)
    if name == "replace":
        others = others[1:]
    elif name == "tojson":
        others = [kwargs.get("indent")]
    elif name not in _GROWING:
        others = []
    return max(1, size(subject)) * prod(max(1, _factor(other)) for other in others)


def of_binary(operator: str, left: object, right: object) -> int:
    """What `left operator right` may make, for `+`, `*`, `**` and `%`.

    Raises SecurityError for integers without measure and for formats as in `of_call`.
    """
    if operator == "%":
        return _of_format(left, [right]) if isinstance(left, str) else 1
    if operator == "+":
        return _length(left) + _length(right)
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * abs(right) if operator == "**" else left.bit_length()
        if bits > _MAX_INT_BITS:
            raise SecurityError("it computes with integers that are too large")
        return 1
    count, repeated = (left, right) if isinstance(left, int) else (right, left)
    return _length(repeated) * max(0, count) if isinstance(count, int) else 1


def size(value: object) -> int:
    """The characters of `value` as text, roughly: what is nested in it counts.

    Raises SecurityError for structures that are vast (lists holding one list many times over).
    """
    total = 0
    pending = [value]
    num_items = 0
    while pending:
        item = pending.pop()
        num_items += 1
        if num_items > _MAX_ITEMS:
            raise SecurityError("it builds structures that are too large")
        if isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple)):
            pending += item
        else:
            total += _length(item)
    return total + num_items


def _of_format(template: object, values: Sequence[object]) -> int:
    if not isinstance(template, str):
        return 1
    if _WIDE_FORMAT.search(template):
        raise SecurityError("it formats with widths that no text needs")
    num_places = template.count("%") + template.count("{")
    return len(template) + num_places * sum(map(size, values))


def _factor(value: object) -> int:
    return abs(value) if isinstance(value, int) else _length(value)


def _length(value: object) -> int:
    return len(value) if isinstance(value, Sized) else 1
