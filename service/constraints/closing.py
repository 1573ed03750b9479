"""Objects that name properties and say nothing of others, closed.

An open object invites a small model to invent properties until its answer is cut.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from service.constraints.graph import Node
from service.constraints.json_types import Json
from service.constraints.keywords import IN_PLACE
from service.constraints.places import Places, combines
from service.constraints.references import in_place_order
from service.constraints.rewriting import Changes
from service.constraints.shapes import admits

_SPEAKING = (IN_PLACE - {"const", "enum"}) | {
    "additionalProperties",
    "maxProperties",
    "minProperties",
    "patternProperties",
}
"""Keywords with which a schema says something of properties beside those that it names."""


def closing(nodes: Sequence[Node]) -> Changes:
    """What adds `additionalProperties: false` to a schema that the guard has let pass. `nodes` are
    all that are in it, the root first.

    It is added to schemas with `properties` that require none but those, and have no
    `additionalProperties`, `patternProperties`, number of properties, `$ref` or combination of
    schemas; but to none whose values must meet another schema too, which may name more.

    What is valid then is valid under the schema as it is, if the alternatives of each `oneOf`
    exclude each other in that.
    """
    met_with_others = _met_with_others(nodes)
    return {
        id(node.keywords): _close
        for node in nodes
        if node not in met_with_others and _names_all_it_requires(node)
    }


def _close(keywords: dict[str, Json]) -> None:
    keywords["additionalProperties"] = False


def _met_with_others(nodes: Sequence[Node]) -> Collection[Node]:
    if not any(map(combines, nodes)):
        return ()
    places = Places(in_place_order(nodes))
    for _ in places.walk(nodes[0]):
        pass
    return places.met_with_others


def _names_all_it_requires(node: Node) -> bool:
    keywords = node.keywords
    if "properties" not in keywords or not _SPEAKING.isdisjoint(keywords):
        return False
    required = keywords.get("required")
    names = map(str, required) if isinstance(required, list) else ()
    return admits(keywords, "object") and all(name in node.properties for name in names)
