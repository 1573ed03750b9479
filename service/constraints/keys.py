"""Keys that an object may have by patterns alone, once it has those that are named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.constraints.ends import types_in_common
from service.constraints.graph import Node
from service.constraints.names import Names
from service.constraints.problem import unenforceable


def check_keys(schemas: Sequence[Node], names: Names) -> None:
    """Of the schemas that apply to one object. Raises SchemaProblem.

    The compiler gives each named key a place of its own, and lets another one follow as long as
    there are patterns: where those match named keys only, nothing can follow the comma.
    """
    patterns = {pattern: node for node in schemas for pattern in node.patterns}
    if not patterns or _is_open(node.additional for node in schemas):
        return
    named = {name for node in schemas for name in (*node.properties, *node.required)}
    usable = [
        pattern
        for pattern in patterns
        if _is_open(node.patterns.get(pattern, node.additional) for node in schemas)
    ]
    for pattern in usable:
        if not names.exhaust(named, pattern, patterns[pattern].trail):
            return
    if usable:
        detail = ": all keys that it allows are named besides"
        raise unenforceable(patterns[usable[0]].trail, "patternProperties", detail)


def _is_open(schemas: Iterable[Node | None]) -> bool:
    """Whether a value can meet them, as far as types tell."""
    return bool(types_in_common(node for node in schemas if node is not None))
