"""What of several schemas that apply to one value adds up: patterns, divisors, alternatives.

The compiler intersects such schemas, and for some keywords that takes it minutes. So they are
followed here as it does: a place is the set of schemas that one value must meet, and its parts are
the places of that value's properties and items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from service.constraints.graph import Node
from service.constraints.numbers import check_multiples, check_range, check_total
from service.constraints.problem import SchemaProblem, Trail, unenforceable
from service.constraints.shapes import SHAPES, admits

MAX_PATTERNS = 3
MAX_PATTERN_PROPERTIES = 16
MAX_COMBINED_ALTERNATIVES = 256
_MAX_ALTERNATIVES = 4096
_MAX_WORK = 50_000
"""Schemas looked at, in all places together; the compiler's own limit is of that size."""

_OWN = (SHAPES.keys() | {"const", "additionalItems"}) - {"$ref", "allOf", "anyOf", "oneOf"}

Place: TypeAlias = tuple[Node, ...]
"""The schemas that one value must meet, each once, in the order of the document."""

PartsOf: TypeAlias = Callable[[Sequence[Node]], Iterator[Place]]


def combines(node: Node) -> bool:
    """Whether a value of it, or a part of that, has to meet several schemas."""
    if node.patterns and (node.properties or len(node.patterns) > 1):
        return True
    num_parts = (node.ref is not None) + len(node.all_of) + len(node.groups)
    return num_parts > 1 or (num_parts == 1 and has_own(node))


def has_own(node: Node, *, besides: Collection[str] = ()) -> bool:
    """Whether it says anything of values itself, rather than by the schemas that it combines."""
    return any(keyword in _OWN and keyword not in besides for keyword in node.keywords)


class Places:
    """What several schemas add up to, which is checked while they are walked. The methods raise
    SchemaProblem for what is too much.

    `multiples`, the common ones of divisors that meet in a place, and `met_with_others`, the
    schemas of values to which others that say something of them apply as well, are complete at the
    end of a walk.
    """

    def __init__(self, order: Iterable[Node], parts: PartsOf | None = None) -> None:
        """`order` has each node after those that apply to the same value. `parts` are the places of
        the parts of a value to which some schemas apply."""
        self._num_alternatives: dict[Node, int] = {}
        self._parts = possible_parts if parts is None else parts
        self._work = 0
        self.multiples: set[int] = set()
        self.met_with_others: set[Node] = set()
        for node in order:
            self._num_alternatives[node] = self._count_alternatives(node)

    def walk(self, root: Node) -> Iterator[Place]:
        """Every place, once, before what `parts` makes of its schemas."""
        seen: set[frozenset[Node]] = set()
        stack: list[Place] = [(root,)]
        while stack:
            place = stack.pop()
            if frozenset(place) not in seen:
                seen.add(frozenset(place))
                yield place
                stack += self._following(place)

    def _following(self, place: Place) -> Iterator[Place]:
        """The places of a value's parts, or those that one of its schemas only passes on to."""
        passed_on = schemas_passed_on(place)
        if passed_on:
            yield from ((node,) for node in passed_on)
            return
        num_each = [self._num_alternatives[node] for node in place]
        _check_num_alternatives(num_each, min(place, key=_depth).trail)
        for schemas in self._alternatives(place):
            _check_patterns(schemas)
            self._check_multiples(schemas)
            if len(schemas) > 1:
                check_range([node.keywords for node in schemas], schemas[-1].trail)
                self._gather_met(schemas)
            for part in self._parts(schemas):
                self._spend(len(schemas), schemas[0].trail)
                if part:
                    yield part

    def _count_alternatives(self, node: Node) -> int:
        counts = [self._num_alternatives[part] for part in node.all_of]
        if node.ref is not None:
            counts.append(self._num_alternatives[node.ref])
        counts += [sum(map(self._num_alternatives.__getitem__, group)) for group in node.groups]
        literals = node.keywords.get("enum")
        if isinstance(literals, list):
            counts.append(len(literals))
        if sum(count > 1 for count in counts) > 1:
            _check_num_alternatives(counts, node.trail)
        return min(math.prod(counts), _MAX_ALTERNATIVES + 1)

    def _alternatives(self, place: Place) -> Iterator[Sequence[Node]]:
        """For each choice of one alternative from each group, all schemas that then apply."""
        stack: list[tuple[list[Node], list[list[Node]], dict[Node, None]]]
        stack = [([*reversed(place)], [], {})]
        while stack:
            pending, groups, schemas = stack.pop()
            while pending:
                node = pending.pop()
                if node not in schemas:
                    schemas[node] = None
                    pending += reversed(node.all_of)
                    pending += [] if node.ref is None else [node.ref]
                    groups += node.groups
            if not groups:
                yield [*schemas]
                continue
            *others, group = groups
            self._spend(len(schemas) * len(group), group[0].trail)
            stack += [([option], [*others], {**schemas}) for option in group]

    def _gather_met(self, schemas: Sequence[Node]) -> None:
        if sum(has_own(node, besides={"type"}) for node in schemas) > 1:
            self.met_with_others.update(schemas)

    def _check_multiples(self, schemas: Sequence[Node]) -> None:
        divided = [node for node in schemas if "multipleOf" in node.keywords]
        if len(divided) > 1:
            trail = divided[-1].trail
            self.multiples.add(check_multiples(map(divisor, divided), trail))
            check_total(self.multiples, trail)

    def _spend(self, amount: int, trail: Trail) -> None:
        self._work += amount
        if self._work > _MAX_WORK:
            raise SchemaProblem(trail, None, "too many schemas apply to the same values")


def schemas_passed_on(place: Place) -> list[Node]:
    """The schemas that a place's only one stands for, if it adds nothing to them."""
    (node, *others) = place
    if others or has_own(node):
        return []
    ways = [[part] for part in node.all_of] + node.groups
    if node.ref is not None:
        ways.append([node.ref])
    return ways[0] if len(ways) == 1 else []


def _check_num_alternatives(counts: Sequence[int], trail: Trail) -> None:
    is_product = sum(count > 1 for count in counts) > 1
    limit = MAX_COMBINED_ALTERNATIVES if is_product else _MAX_ALTERNATIVES
    if math.prod(counts) > limit:
        raise SchemaProblem(trail, None, f"more than {limit} alternatives in combination")


def _check_patterns(schemas: Sequence[Node]) -> None:
    texts: set[tuple[str, object]] = set()
    names: set[str] = set()
    for node in schemas:
        names |= node.patterns.keys()
        for keyword in ("pattern", "format"):
            if keyword in node.keywords and admits(node.keywords, "string"):
                texts.add((keyword, node.keywords[keyword]))
                if len(texts) > MAX_PATTERNS:
                    detail = f": more than {MAX_PATTERNS} patterns apply to one value"
                    raise unenforceable(node.trail, keyword, detail)
        if len(names) > MAX_PATTERN_PROPERTIES:
            detail = f": more than {MAX_PATTERN_PROPERTIES} apply to one object"
            raise unenforceable(node.trail, "patternProperties", detail)


def possible_parts(schemas: Sequence[Node]) -> Iterator[Place]:
    """The schemas for each property and item that any of them speaks of."""
    for name in dict.fromkeys(name for node in schemas for name in node.properties):
        yield place_of(part for node in schemas for part in _of_property(node, name))
    for pattern in dict.fromkeys(pattern for node in schemas for pattern in node.patterns):
        yield place_of(node.patterns.get(pattern, node.additional) for node in schemas)
    yield place_of(node.additional for node in schemas)
    for index in range(max(len(node.prefix) for node in schemas)):
        yield place_of(item_of(node, index) for node in schemas)
    yield place_of(node.items for node in schemas)


def _of_property(node: Node, name: str) -> Iterator[Node]:
    """Which patterns a name matches is not asked: matching can take for ever."""
    if name in node.properties:
        yield node.properties[name]
    elif node.additional is not None:
        yield node.additional
    yield from node.patterns.values()


def item_of(node: Node, index: int) -> Node | None:
    return node.prefix[index] if index < len(node.prefix) else node.items


def place_of(nodes: Iterable[Node | None]) -> Place:
    return tuple(dict.fromkeys(node for node in nodes if node is not None))


def divisor(node: Node) -> float:
    """Of a node that has `multipleOf`."""
    value = node.keywords["multipleOf"]
    assert isinstance(value, int | float)
    return value


def _depth(node: Node) -> int:
    depth, trail = 0, node.trail
    while trail is not None:
        depth, trail = depth + 1, trail[0]
    return depth
