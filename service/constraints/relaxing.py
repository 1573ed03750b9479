"""Schemas without the keywords that cannot be enforced, for who would rather have the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import starmap

from service.constraints.document import read_document
from service.constraints.graph import GraphBuilder
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


def pointers_of(keyword: str, schema: Json) -> Sequence[str]:
    """Where a schema that has passed the guard has that keyword."""
    nodes = GraphBuilder(read_document(schema)).build()
    return [pointer_of((node.trail, keyword)) for node in nodes if keyword in node.keywords]


def one_of_as_any_of(schema: Json) -> Json:
    """A schema that has passed the guard with each `oneOf` taken for an `anyOf`."""
    nodes = GraphBuilder(read_document(schema)).build()
    return _coerced(schema, {id(node.keywords) for node in nodes if "oneOf" in node.keywords})


def without_idle(schema: Json) -> Json:
    """A schema that has passed the guard without keywords that say nothing, which the compiler
    would refuse."""
    nodes = GraphBuilder(read_document(schema)).build()
    idle = {id(node.keywords) for node in nodes if any(starmap(is_idle, node.keywords.items()))}
    return _copied(schema, idle) if idle else schema


def _copied(value: Json, idle: Collection[int]) -> Json:
    """`idle` are the identities of the schemas that have such keywords."""
    if isinstance(value, list):
        return [_copied(item, idle) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _copied(item, idle)
        for key, item in value.items()
        if id(value) not in idle or not is_idle(key, item)
    }


def _coerced(value: Json, coerced: Collection[int]) -> Json:
    """`coerced` are the identities of the schemas with a `oneOf`; what else has that name, such
    as a property or part of a constant, stays."""
    if isinstance(value, list):
        return [_coerced(item, coerced) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: _coerced(item, coerced) for key, item in value.items()}
    if id(value) in coerced:
        alternatives: Json = {"anyOf": copy.pop("oneOf")}
        met = copy.get("allOf", [])
        assert isinstance(met, list), "the guard knows its shape"
        copy["allOf"] = [*met, alternatives]
    return copy


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
