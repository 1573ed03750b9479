"""Schemas without the keywords that cannot be enforced, for who would rather have the rest."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import starmap

from service.constraints.document import read_document
from service.constraints.drafts import Draft
from service.constraints.exclusion import overlaps_in
from service.constraints.graph import Node
from service.constraints.guard import check_nodes
from service.constraints.json_types import Json
from service.constraints.keywords import is_idle
from service.constraints.problem import (
    SchemaProblem,
    Trail,
    Unenforceable,
    keys_of,
    pointer_of,
)
from service.constraints.rewriting import Changes
from service.errors import UnsupportedSchema

MAX_RELAXED = 32
"""More than these say that the schema is not for an answer. Each may cost another check."""


def relax_schema(schema: Json, *, param: str) -> tuple[Json, Sequence[str]]:
    """A copy without what cannot be enforced, and the JSON pointers of the keywords that it lacks.

    Raises UnsupportedSchema for what is no schema, could do harm, or would lose too much.
    """
    try:
        read_document(schema)
        relaxation = _Relaxation(deepcopy(schema))
        relaxation.run()
    except SchemaProblem as problem:
        raise UnsupportedSchema(str(problem), param=param) from None
    return relaxation.schema, relaxation.pointers


def coercing(
    nodes: Sequence[Node], draft: Draft, *, param: str, may_overlap: bool
) -> tuple[Changes, Sequence[str]]:
    """What makes an `anyOf` of each `oneOf` whose alternatives may not exclude each other, in a
    schema that the guard has let pass; and the JSON pointers of those. `nodes` are all that are in
    it, the root first.

    Raises UnsupportedSchema if there are any, unless they `may_overlap`.
    """
    try:
        overlaps = overlaps_in(nodes, draft)
        if overlaps and not may_overlap:
            raise overlaps[0].problem()
    except SchemaProblem as problem:
        raise UnsupportedSchema(str(problem), param=param) from None
    pointers = [pointer_of((overlap.node.trail, "oneOf")) for overlap in overlaps]
    return {id(overlap.node.keywords): _coerce for overlap in overlaps}, pointers


def idling(nodes: Sequence[Node]) -> Changes:
    """What takes away keywords that say nothing, which the compiler would refuse."""
    return {
        id(node.keywords): _without_idle
        for node in nodes
        if any(starmap(is_idle, node.keywords.items()))
    }


def _without_idle(keywords: dict[str, Json]) -> None:
    for keyword in [each for each in keywords if is_idle(each, keywords[each])]:
        del keywords[keyword]


def _coerce(keywords: dict[str, Json]) -> None:
    alternatives: Json = {"anyOf": keywords.pop("oneOf")}
    met = keywords.get("allOf", [])
    assert isinstance(met, list), "the guard knows its shape"
    keywords["allOf"] = [*met, alternatives]


@dataclass(slots=True)
class _Relaxation:
    schema: Json
    pointers: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Some problems are found only once others are gone."""
        while True:
            try:
                check_nodes(self.schema, self._drop)
            except Unenforceable as problem:
                self._drop(problem)
            else:
                return

    def _drop(self, problem: Unenforceable) -> None:
        schema = self._at(problem.trail)
        is_full = len(self.pointers) == MAX_RELAXED
        if is_full or not isinstance(schema, dict) or problem.keyword not in schema:
            raise SchemaProblem(problem.trail, problem.keyword, problem.reason)
        del schema[problem.keyword]
        self.pointers.append(pointer_of((problem.trail, problem.keyword)))

    def _at(self, trail: Trail) -> Json:
        value = self.schema
        for key in keys_of(trail):
            if isinstance(value, dict):
                value = value.get(str(key))
            elif isinstance(value, list) and str(key).isdigit():
                value = value[int(key)]
        return value
