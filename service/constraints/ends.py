"""Whether values come to an end: the ways in which a place can be met, and what each leads to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TypeAlias

from service.constraints.graph import Node
from service.constraints.json_types import Json, type_name
from service.constraints.names import Names
from service.constraints.places import Place
from service.constraints.problem import SchemaProblem

Need: TypeAlias = Sequence[Place]
"""A part that a value must have, which is one of these."""

Way: TypeAlias = Sequence[Need]
"""What a value of one type must have."""

PlaceKey: TypeAlias = frozenset[Node]

_ALL_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SCALARS = _ALL_TYPES - {"array", "object"}


def ways_of(schemas: Sequence[Node], names: Names) -> Iterator[Way]:
    """Those to meet `schemas`, among which no alternatives are left; none if their types
    exclude each other. Raises SchemaProblem for names that are too much to compare."""
    types = types_in_common(schemas)
    if types & _SCALARS or (types and any(_literals(node) for node in schemas)):
        yield []
    if "array" in types:
        yield [*_needed_items(schemas)]
    if "object" in types:
        yield [*_needed_properties(schemas, names)]


def types_in_common(schemas: Iterable[Node]) -> Set[str]:
    """Those of the values that all of the schemas allow, as their own keywords tell."""
    return _ALL_TYPES.intersection(*map(_types, schemas))


def check_ends(places: Mapping[PlaceKey, tuple[Place, Sequence[Way]]]) -> None:
    """Raises SchemaProblem for a place each value of which holds another one, for ever.

    `places` has every place that its ways lead to. A place that no value meets, be it an endless
    one, is none of those: the compiler leaves it out.
    """
    ways = {key: _keyed(each) for key, (_, each) in places.items()}
    ending = _closed(ways, lambda needs, found: all(map(found.intersection, needs)))
    missing = {key for key in ways if key not in ending}
    if not missing:
        return
    unmet = _closed_if_all(ways)
    for key, (place, _) in places.items():
        if key in missing and key not in unmet:
            trail = place[0].trail
            raise SchemaProblem(trail, None, "every value holds another one, without end")


_Ways: TypeAlias = Mapping[PlaceKey, Sequence[Sequence[Set[PlaceKey]]]]


def _keyed(ways: Sequence[Way]) -> Sequence[Sequence[Set[PlaceKey]]]:
    return [[{frozenset(place) for place in need} for need in way] for way in ways]


def _closed(
    ways: _Ways, is_open: Callable[[Sequence[Set[PlaceKey]], set[PlaceKey]], object]
) -> set[PlaceKey]:
    """The least set of places with a way that `is_open`, given that set."""
    return _least(ways, lambda each, found: any(is_open(needs, found) for needs in each))


def _closed_if_all(ways: _Ways) -> set[PlaceKey]:
    """The least set of places all of whose ways need what is only in that set."""
    return _least(
        ways, lambda each, found: all(any(need <= found for need in needs) for needs in each)
    )


def _least(
    ways: _Ways, holds: Callable[[Sequence[Sequence[Set[PlaceKey]]], set[PlaceKey]], bool]
) -> set[PlaceKey]:
    users: defaultdict[PlaceKey, list[PlaceKey]] = defaultdict(list)
    for key, each in ways.items():
        for part in {part for needs in each for need in needs for part in need}:
            users[part].append(key)
    found: set[PlaceKey] = set()
    # What needs others comes before them, so that most are settled in the first round.
    pending = dict.fromkeys(reversed([*ways]))
    while pending:
        following: dict[PlaceKey, None] = {}
        for key in pending:
            if key not in found and holds(ways[key], found):
                found.add(key)
                following.update(dict.fromkeys(users[key]))
        pending = following
    return found


def _types(node: Node) -> Set[str]:
    if node.is_false:
        return frozenset()
    named = node.keywords.get("type")
    types = {str(name) for name in (named if isinstance(named, list) else [named or ""])}
    if named is None:
        types = set(_ALL_TYPES)
    elif "number" in types:
        types.add("integer")
    literals = _literals(node)
    return types & set(map(_type_of, literals)) if literals else types


def _literals(node: Node) -> Sequence[Json]:
    if "const" in node.keywords:
        return [node.keywords["const"]]
    values = node.keywords.get("enum")
    return values if isinstance(values, list) else []


def _type_of(value: Json) -> str:
    name = type_name(value)
    is_whole = name == "number" and isinstance(value, int | float) and value == int(value)
    return "integer" if is_whole else name


def _needed_items(schemas: Sequence[Node]) -> Iterator[Need]:
    least = max(_count(node, "minItems") for node in schemas)
    num_first = max(len(node.prefix) for node in schemas)
    for index in range(min(least, num_first + 1)):
        items = (node.prefix[index] if index < len(node.prefix) else node.items for node in schemas)
        place = tuple(dict.fromkeys(item for item in items if item is not None))
        if place:
            yield [place]


def _needed_properties(schemas: Sequence[Node], names: Names) -> Iterator[Need]:
    required = dict.fromkeys(name for node in schemas for name in node.required)
    for name in required:
        place = _property(schemas, name, names)
        if place:
            yield [place]
    if max(_count(node, "minProperties") for node in schemas) > len(required):
        others = [*_other_properties(schemas, required, names)]
        if all(others):
            yield others


def _other_properties(
    schemas: Sequence[Node], required: Mapping[str, None], names: Names
) -> Iterator[Place]:
    """What a property beyond the required ones may be: no more than one of these is needed."""
    for name in dict.fromkeys(name for node in schemas for name in node.properties):
        if name not in required:
            yield _property(schemas, name, names)
    for pattern in dict.fromkeys(pattern for node in schemas for pattern in node.patterns):
        parts = (node.patterns.get(pattern, node.additional) for node in schemas)
        yield tuple(dict.fromkeys(part for part in parts if part is not None))
    parts = (node.additional for node in schemas)
    yield tuple(dict.fromkeys(part for part in parts if part is not None))


def _property(schemas: Sequence[Node], name: str, names: Names) -> Place:
    return tuple(dict.fromkeys(part for node in schemas for part in _parts(node, name, names)))


def _parts(node: Node, name: str, names: Names) -> Iterator[Node]:
    matched = [part for each, part in node.patterns.items() if names.match(each, name, node.trail)]
    if name in node.properties:
        yield node.properties[name]
    elif not matched and node.additional is not None:
        yield node.additional
    yield from matched


def _count(node: Node, keyword: str) -> int:
    value = node.keywords.get(keyword)
    return value if isinstance(value, int) else 0
