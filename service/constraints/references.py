"""What recursion does to a schema: cycles that get nowhere, and outputs that cannot end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from service.constraints.graph import Node
from service.constraints.json_types import Json
from service.constraints.problem import SchemaProblem

_SCALARS = ("boolean", "integer", "null", "number", "string")


def in_place_order(nodes: Sequence[Node]) -> list[Node]:
    """The nodes such that each comes after those that apply to the same value.

    Raises SchemaProblem for a schema that refers to itself for the same value: what it would
    allow is not defined, and the compiler takes it for the empty text.
    """
    order: list[Node] = []
    open_path: dict[Node, Iterator[Node]] = {}
    done: set[Node] = set()
    for root in nodes:
        if root in done:
            continue
        open_path[root] = root.in_place()
        while open_path:
            node, following = next(reversed(open_path.items()))
            below = next(following, None)
            if below is None:
                del open_path[node]
                done.add(node)
                order.append(node)
            elif below in open_path:
                path = [*open_path]
                cycle = path[path.index(below) :]
                referring = next(part for part in cycle if part.ref in cycle)
                raise SchemaProblem(referring.trail, "$ref", "leads back to itself")
            elif below not in done:
                open_path[below] = below.in_place()
    return order


def check_ends(nodes: Sequence[Node]) -> None:
    """Raises SchemaProblem for a schema each value of which holds another of the same, for ever."""
    users: defaultdict[Node, list[Node]] = defaultdict(list)
    for node in nodes:
        for part in (*node.in_place(), *node.below()):
            users[part].append(node)
    ending: set[Node] = set()
    # What holds others comes before them, so that most are settled in the first round.
    pending = dict.fromkeys(reversed(nodes))
    while pending:
        following: dict[Node, None] = {}
        for node in pending:
            if node not in ending and _can_end(node, ending):
                ending.add(node)
                following.update(dict.fromkeys(users[node]))
        pending = following
    for node in nodes:
        if node not in ending:
            raise SchemaProblem(node.trail, None, "every value holds another one, without end")


def _can_end(node: Node, ending: set[Node]) -> bool:
    if node.ref is not None and node.ref not in ending:
        return False
    if not all(part in ending for part in node.all_of):
        return False
    if not all(any(option in ending for option in group) for group in node.groups):
        return False
    return _has_scalars(node.keywords.get("type")) or all(
        part in ending for part in _required_parts(node)
    )


def _has_scalars(types: Json) -> bool:
    if types is None:
        return True
    return any(name in _SCALARS for name in (types if isinstance(types, list) else [types]))


def _required_parts(node: Node) -> Iterator[Node]:
    """Of the only type, or of both types: that is rare, and only refuses more."""
    required, least = node.keywords.get("required"), node.keywords.get("minItems")
    for name in required if isinstance(required, list) else []:
        part = node.properties.get(str(name), None if node.patterns else node.additional)
        if part is not None:
            yield part
    if isinstance(least, int):
        yield from node.prefix[:least]
        if least > len(node.prefix) and node.items is not None:
            yield node.items
