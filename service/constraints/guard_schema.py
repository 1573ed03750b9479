"""Refuses, before any work on it, what cannot be enforced or could harm the server.

A compilation cannot be interrupted, and some schemas take it minutes, gigabytes or the process's
stack. What is checked here is that none of those is among them; what only a compilation can tell,
such as whether any text matches two patterns, is left to it. All is linear in the size of what is
checked, or bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from service.constraints.document import read_document
from service.constraints.graph import GraphBuilder, Node
from service.constraints.guard_places import check_places
from service.constraints.json_types import Json
from service.constraints.literals import check_num_keys
from service.constraints.numbers import check_total, common_multiple
from service.constraints.places import combines, divisor
from service.constraints.problem import SchemaProblem, Unenforceable
from service.constraints.references import in_place_order
from service.errors import UnsupportedSchema


def check_document(schema: Json, *, param: str) -> None:
    """Raises UnsupportedSchema for what is no schema, too large, too deep or of no known draft."""
    try:
        read_document(schema)
    except SchemaProblem as problem:
        raise UnsupportedSchema(str(problem), param=param) from None


def check_schema(schema: Json, *, param: str) -> Sequence[Node]:
    """All schemas in it, the root first. Raises UnsupportedSchema, which names where in the schema
    what cannot be enforced.

    `param` is the request's field that holds the schema.
    """
    try:
        nodes = GraphBuilder(read_document(schema)).build()
        _check(nodes)
        return nodes
    except SchemaProblem as problem:
        raise UnsupportedSchema(str(problem), param=param) from None


def check_together(schemas: Iterable[Json], *, param: str) -> None:
    """Raises UnsupportedSchema for schemas, each of which has passed, that are too much for one
    grammar."""
    multiples = set[int]()
    try:
        for schema in schemas:
            multiples |= check_nodes(schema)
            check_total(multiples, None)
    except SchemaProblem as problem:
        raise UnsupportedSchema(str(problem), param=param) from None


def check_nodes(schema: Json, meet: Callable[[Unenforceable], None] | None = None) -> set[int]:
    """The same, raising SchemaProblem; `meet` as GraphBuilder has it.

    Returns the different multiples that its numbers are held to, each of which costs time.
    """
    return _check(GraphBuilder(read_document(schema), meet).build())


def _check(nodes: Sequence[Node]) -> set[int]:
    check_num_keys((node.keywords for node in nodes), nodes[0].trail)
    divisors = {divisor(node) for node in nodes if "multipleOf" in node.keywords}
    multiples = {common_multiple([each]) for each in divisors}
    check_total(multiples, None)
    if not any(node.ref is not None or node.patterns or combines(node) for node in nodes):
        return multiples
    return multiples | check_places(in_place_order(nodes), nodes[0])
