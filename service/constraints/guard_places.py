"""Refuses what schemas ask for together, of one value, that none of them asks for alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from service.constraints.ends import PlaceKey, Way, check_ends, ways_of
from service.constraints.graph import Node
from service.constraints.keys import check_keys
from service.constraints.names import Names
from service.constraints.places import Place, Places, possible_parts, schemas_passed_on


def check_places(order: Iterable[Node], root: Node) -> set[int]:
    """The common multiples of divisors that meet in a place. `order` has each node after those
    that apply to the same value. Raises SchemaProblem."""
    order = [*order]
    gathered = _Gathered(may_recur=any(node.ref is not None for node in order))
    places = Places(order, gathered.parts)
    for place in places.walk(root):
        gathered.begin(place)
    gathered.check()
    return places.multiples


class _Gathered:
    """The ways to meet each place, where a value may hold another like it."""

    def __init__(self, *, may_recur: bool) -> None:
        self._may_recur = may_recur
        self._names = Names()
        self._ways: list[Way] = []
        self._places: dict[PlaceKey, tuple[Place, Sequence[Way]]] = {}

    def begin(self, place: Place) -> None:
        """From now on it is its schemas that `parts` is asked about."""
        self._ways = [[[(node,)]] for node in schemas_passed_on(place)]
        self._places[frozenset(place)] = place, self._ways

    def parts(self, schemas: Sequence[Node]) -> Iterator[Place]:
        """Of a value that all of them apply to; those that a way needs are among them. Raises
        SchemaProblem."""
        check_keys(schemas, self._names)
        yield from possible_parts(schemas)
        if self._may_recur:
            for way in ways_of(schemas, self._names):
                self._ways.append(way)
                for need in way:
                    yield from need

    def check(self) -> None:
        """Raises SchemaProblem for values that never end."""
        if self._may_recur:
            check_ends(self._places)
