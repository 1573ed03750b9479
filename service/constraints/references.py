"""The order in which schemas apply to a value, without cycles that get nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.constraints.graph import Node
from service.constraints.problem import SchemaProblem


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
