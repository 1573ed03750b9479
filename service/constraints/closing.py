"""Objects that name properties and say nothing of others, closed.

An open object invites a small model to invent properties until its answer is cut.
"""

from __future__ import annotations

from collections.abc import Collection

from service.constraints.document import read_document
from service.constraints.graph import GraphBuilder, Node
from service.constraints.json_types import Json
from service.constraints.keywords import IN_PLACE
from service.constraints.places import has_own
from service.constraints.shapes import admits

_SPEAKING = (IN_PLACE - {"const", "enum"}) | {
    "additionalProperties",
    "maxProperties",
    "minProperties",
    "patternProperties",
}
"""Keywords with which a schema says something of properties beside those that it names."""


def close_objects(schema: Json) -> Json:
    """A copy of a schema that the guard has let pass, with `additionalProperties: false` added.

    It is added to schemas with `properties` that require none but those, and have no
    `additionalProperties`, `patternProperties`, number of properties, `$ref` or combination of
    schemas; but to none whose values must meet another schema too, which may name more.
    """
    nodes = GraphBuilder(read_document(schema)).build()
    met_with_others = _met_with_others(nodes)
    closed = {
        id(node.keywords)
        for node in nodes
        if node not in met_with_others and _names_all_it_requires(node)
    }
    return _copy(schema, closed)


def _met_with_others(nodes: list[Node]) -> set[Node]:
    """The schemas of values, or of parts of values, to which other schemas apply as well."""
    pending = [part for node in nodes if _adds_to_its_parts(node) for part in node.in_place()]
    found: set[Node] = set()
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [*node.in_place(), *node.below()]
    return found


def _adds_to_its_parts(node: Node) -> bool:
    num_parts = (node.ref is not None) + len(node.all_of) + len(node.groups)
    return num_parts > 1 or (num_parts == 1 and has_own(node, besides={"type"}))


def _names_all_it_requires(node: Node) -> bool:
    keywords = node.keywords
    if "properties" not in keywords or not _SPEAKING.isdisjoint(keywords):
        return False
    required = keywords.get("required")
    names = map(str, required) if isinstance(required, list) else ()
    return admits(keywords, "object") and all(name in node.properties for name in names)


def _copy(value: Json, closed: Collection[int]) -> Json:
    """As deep as the guard lets schemas be; `closed` are the identities of what to close."""
    if isinstance(value, list):
        return [_copy(item, closed) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: _copy(item, closed) for key, item in value.items()}
    if id(value) in closed:
        copy["additionalProperties"] = False
    return copy
