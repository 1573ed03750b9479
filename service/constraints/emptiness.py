"""Proofs that no value is valid under several schemas at once.

Proven means so; what is not proven may be so all the same. What a proof leaves out of account,
patterns for one, only makes it fail, and a `oneOf` counts as an `anyOf`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import TypeAlias

from service.constraints.drafts import Draft
from service.constraints.graph import Node
from service.constraints.json_types import Json, type_name
from service.constraints.numbers import range_of
from service.constraints.places import Place, item_of, place_of

_MAX_WORK = 20_000
"""Schemas looked at, in all proofs about one schema together."""

_MAX_DEEP = 6
"""Properties and items below the value: recursive schemas have no end."""

_TYPES = frozenset({"array", "boolean", "null", "number", "object", "string"})

_Key: TypeAlias = tuple[str, object]
_Literals: TypeAlias = Mapping[_Key, Json] | None
"""By what is equal for values that are, as `_literal` gives it."""


class Prover:
    """Of one draft's schemas. It has an end to its patience, behind which nothing is proven."""

    def __init__(self, draft: Draft) -> None:
        self._literal_keywords = ("const", "enum") if draft.has_const else ("enum",)
        self._work = 0

    def is_empty(self, schemas: Iterable[Node], *, besides: Sequence[Node] | None = None) -> bool:
        """Whether no value is valid under all of them; the group `besides` is not looked into."""
        try:
            return self._is_empty({}, [*schemas], [], besides, _MAX_DEEP)
        except _OutOfPatience:
            return False

    def are_told_apart(self, options: Sequence[Node], context: Sequence[Node]) -> bool:
        """Whether constants alone show that no value is valid under two of the options, and under
        `context`. This is linear in their number; there can be thousands."""
        met = [applying([option]) for option in options]
        if _are_disjoint([self._literals(schemas) for schemas in met]):
            return True
        names = _required([*context, *met[0]])
        shared = _required(context)
        for schemas in met[1:]:
            names &= shared | _required(schemas)
        return any(
            _are_disjoint([self._literals(_property(schemas, name)) for schemas in met])
            for name in names
        )

    def _is_empty(
        self,
        met: Mapping[Node, None],
        further: Sequence[Node],
        groups: Sequence[Sequence[Node]],
        besides: Sequence[Node] | None,
        deep: int,
    ) -> bool:
        """`met` are schemas looked at before, and `groups` of them one option each must be met."""
        added = [node for node in applying(further) if node not in met]
        schemas = [*met, *added]
        self._spend(len(schemas))
        if self._contradict(schemas, deep):
            return True
        added_groups = (group for node in added for group in node.groups)
        groups = [*groups, *(group for group in added_groups if group is not besides)]
        if not groups:
            return False
        now_met, others = dict.fromkeys(schemas), groups[1:]
        options = groups[0]
        return all(self._is_empty(now_met, [option], others, besides, deep) for option in options)

    def _contradict(self, schemas: Sequence[Node], deep: int) -> bool:
        if any(node.is_false for node in schemas):
            return True
        types = reduce(frozenset.__and__, map(_types, schemas), _TYPES)
        literals = self._literals(schemas)
        if literals is not None:
            return not any(self._may_match(value, schemas) for value in literals.values())
        return all(self._has_none(type_name, schemas, deep) for type_name in types)

    def _may_match(self, value: Json, schemas: Sequence[Node]) -> bool:
        """Whether nothing in the schemas of a literal value, and of what it consists of, is seen to
        exclude it."""
        self._spend(len(schemas))
        if any(node.is_false or type_name(value) not in _types(node) for node in schemas):
            return False
        literals = self._literals(schemas)
        if literals is not None and _literal(value) not in literals:
            return False
        return not isinstance(value, dict) or (
            _required(schemas) <= value.keys()
            and all(
                self._may_match(each, applying(_property(schemas, name)))
                for name, each in value.items()
            )
        )

    def _literals(self, schemas: Iterable[Node]) -> _Literals:
        """The values that a value must be one of."""
        found: _Literals = None
        for node in schemas:
            for keyword in self._literal_keywords:
                if keyword in node.keywords:
                    value = node.keywords[keyword]
                    values = value if keyword == "enum" and isinstance(value, list) else [value]
                    these = {_literal(each): each for each in values}
                    found = these if found is None else _common(found, these)
        return found

    def _has_none(self, type_name: str, schemas: Sequence[Node], deep: int) -> bool:
        match type_name:
            case "string":
                return _least(schemas, "minLength") > _most(schemas, "maxLength")
            case "number":
                return _are_contradictory_bounds(schemas)
            case "object":
                names = sorted(_required(schemas))
                return len(names) > _most(schemas, "maxProperties") or any(
                    self._is_none(_property(schemas, name), deep) for name in names
                )
            case "array":
                least = _least(schemas, "minItems")
                num_unlike = 1 + max(len(node.prefix) for node in schemas)
                return least > _most(schemas, "maxItems") or any(
                    self._is_none(_item(schemas, index), deep)
                    for index in range(min(least, num_unlike))
                )
        return False

    def _is_none(self, part: Place, deep: int) -> bool:
        return bool(part) and deep > 0 and self._is_empty({}, part, [], None, deep - 1)

    def _spend(self, amount: int) -> None:
        self._work += amount
        if self._work > _MAX_WORK:
            raise _OutOfPatience


class _OutOfPatience(Exception):
    """The proof was given up."""


def applying(schemas: Iterable[Node]) -> list[Node]:
    """The schemas, and those that apply to the same value whatever it is."""
    pending, found = [*schemas][::-1], dict[Node, None]()
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = None
            pending += reversed(node.all_of)
            pending += [] if node.ref is None else [node.ref]
    return [*found]


def certain_parts(schemas: Sequence[Node]) -> Iterator[Place]:
    """Like `possible_parts`, but no schema is in a place unless it applies there for certain."""
    for name in dict.fromkeys(name for node in schemas for name in node.properties):
        yield _property(schemas, name)
    for node in schemas:
        yield from ((part,) for part in node.patterns.values())
        if node.patterns and node.additional is not None:
            yield (node.additional,)
    yield place_of(None if node.patterns else node.additional for node in schemas)
    for index in range(1 + max(len(node.prefix) for node in schemas)):
        yield _item(schemas, index)


def _property(schemas: Iterable[Node], name: str) -> Place:
    return place_of(
        node.properties.get(name, None if node.patterns else node.additional) for node in schemas
    )


def _item(schemas: Iterable[Node], index: int) -> Place:
    return place_of(item_of(node, index) for node in schemas)


def _types(node: Node) -> frozenset[str]:
    named = node.keywords.get("type")
    if named is None:
        return _TYPES
    names = map(str, named if isinstance(named, list) else [named])
    return frozenset("number" if name == "integer" else name for name in names)


def _required(schemas: Iterable[Node]) -> set[str]:
    lists = (node.keywords.get("required") for node in schemas)
    return {str(name) for names in lists if isinstance(names, list) for name in names}


def _least(schemas: Iterable[Node], keyword: str) -> int:
    return max(_counts(schemas, keyword), default=0)


def _most(schemas: Iterable[Node], keyword: str) -> float:
    return min(_counts(schemas, keyword), default=math.inf)


def _counts(schemas: Iterable[Node], keyword: str) -> list[int]:
    counts = (node.keywords.get(keyword) for node in schemas)
    return [count for count in counts if isinstance(count, int)]


def _are_contradictory_bounds(schemas: Sequence[Node]) -> bool:
    low, high = range_of([node.keywords for node in schemas], schemas[0].trail)
    if low is None or high is None:
        return False
    return low[0] > -high[0] or (low[0] == -high[0] and (low[1] or high[1]))


def _common(some: Mapping[_Key, Json], others: Mapping[_Key, Json]) -> Mapping[_Key, Json]:
    return {key: value for key, value in some.items() if key in others}


def _are_disjoint(options: Sequence[_Literals]) -> bool:
    """Whether all of them are sets of values, and none has one of another."""
    sets = [values.keys() for values in options if values is not None]
    return len(sets) == len(options) and sum(map(len, sets)) == len(frozenset().union(*sets))


def _literal(value: Json) -> _Key:
    """What is equal for values that are: for 1 and 1.0, but not for 1 and true."""
    match value:
        case list():
            return "array", tuple(map(_literal, value))
        case dict():
            return "object", frozenset((key, _literal(each)) for key, each in value.items())
    return type_name(value), value
