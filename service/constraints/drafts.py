"""The versions of JSON Schema, and which of their words cannot be enforced while decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.constraints.json_types import Json


@dataclass(frozen=True, slots=True)
class Draft:
    """One version. A word that it does not know is an annotation, which holds nothing."""

    name: str
    id_keyword: str
    unenforceable: frozenset[str]
    has_boolean_bounds: bool = False
    """`exclusiveMinimum` says whether `minimum` itself is excluded, rather than being a bound."""
    has_prefix_items: bool = False
    """The schemas of an array's first items are `prefixItems`; they were a list of `items`."""
    has_const: bool = True
    has_boolean_schemas: bool = True
    """Everywhere, and not only of further properties and items."""
    heeds_siblings: bool = True
    """What stands beside a `$ref` counts, rather than being ignored."""


_ALWAYS = frozenset({"not", "uniqueItems", "dependencies"})
_SINCE_6 = _ALWAYS | {"contains", "propertyNames"}
_SINCE_7 = _SINCE_6 | {"if", "then", "else"}
_SINCE_2019 = _SINCE_7 | {
    "$recursiveAnchor",
    "$recursiveRef",
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_SINCE_2020 = _SINCE_2019 | {"$dynamicAnchor", "$dynamicRef"}

LATEST = Draft("2020-12", "$id", _SINCE_2020, has_prefix_items=True)

_DRAFTS: Mapping[str, Draft] = {
    "json-schema.org/draft-04/schema": Draft(
        "4",
        "id",
        _ALWAYS,
        has_boolean_bounds=True,
        has_const=False,
        has_boolean_schemas=False,
        heeds_siblings=False,
    ),
    "json-schema.org/draft-06/schema": Draft("6", "$id", _SINCE_6, heeds_siblings=False),
    "json-schema.org/draft-07/schema": Draft("7", "$id", _SINCE_7, heeds_siblings=False),
    "json-schema.org/draft/2019-09/schema": Draft("2019-09", "$id", _SINCE_2019),
    "json-schema.org/draft/2020-12/schema": LATEST,
}


def draft_of(schema: Json) -> Draft | None:
    """The draft that the schema's `$schema` names, the latest without one, None if unknown."""
    if not isinstance(schema, dict) or "$schema" not in schema:
        return LATEST
    uri = schema["$schema"]
    if not isinstance(uri, str):
        return None
    return _DRAFTS.get(uri.partition("://")[2].removesuffix("#"))
