"""Whether the alternatives of each `oneOf` exclude each other.

The masks let an output match any alternative; that it matches no second one must be known before.
It is asked of the client's own schema, in which objects are open unless it says otherwise: where
they exclude each other only because objects were closed, an output could match two of the
client's alternatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from service.constraints.drafts import Draft
from service.constraints.emptiness import Prover, applying, certain_parts
from service.constraints.graph import Node
from service.constraints.places import Place, Places, schemas_passed_on
from service.constraints.problem import Unenforceable, unenforceable
from service.constraints.references import in_place_order

_MENDING = (
    "what tells them apart is a required property with a 'const' of its own in each, or, where "
    'only properties that they do not name let them overlap, "additionalProperties": false; '
    "'anyOf' may overlap"
)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two alternatives of the `oneOf` of a schema that may both match a value."""

    node: Node
    first: int
    second: int

    def problem(self) -> Unenforceable:
        """Says how to mend it."""
        detail = f": a value may match both alternatives {self.first} and {self.second}"
        return unenforceable(self.node.trail, "oneOf", f"{detail}; {_MENDING}")


def overlaps_in(nodes: Sequence[Node], draft: Draft) -> Sequence[Overlap]:
    """At most one for each `oneOf` of a schema that the guard has let pass, in its order. `nodes`
    are all that are in it, the root first.

    Raises SchemaProblem where too many schemas apply to the same values.
    """
    if not any("oneOf" in node.keywords for node in nodes):
        return []
    found = _found(nodes, draft)
    return [found[node] for node in nodes if node in found]


def _found(nodes: Sequence[Node], draft: Draft) -> dict[Node, Overlap]:
    prover = Prover(draft)
    found: dict[Node, Overlap] = {}
    for place in Places(in_place_order(nodes), certain_parts).walk(nodes[0]):
        for node, context in _one_ofs(place):
            if node not in found:
                pair = _overlapping(node.groups[-1], context, prover)
                if pair is not None:
                    found[node] = Overlap(node, *pair)
    return found


def _one_ofs(place: Place) -> Iterator[tuple[Node, Sequence[Node]]]:
    """The schemas of a value that have a `oneOf`, with what applies to the value for certain where
    that one does."""
    is_passed_on = bool(schemas_passed_on(place))
    stack: list[tuple[Place, Sequence[Node]]] = [(place, ())]
    while stack:
        further, before = stack.pop()
        context = applying((*before, *further))
        for node in context[len(before) :]:
            if "oneOf" in node.keywords:
                yield node, context
            if not is_passed_on:
                stack += [((option,), context) for group in node.groups for option in group]


def _overlapping(
    options: Sequence[Node], context: Sequence[Node], prover: Prover
) -> tuple[int, int] | None:
    if prover.are_told_apart(options, context):
        return None
    for (first, one), (second, other) in combinations(enumerate(options), 2):
        if not prover.is_empty((*context, one, other), besides=options):
            return first, second
    return None
