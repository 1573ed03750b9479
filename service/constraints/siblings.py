"""What stands beside a `$ref` in the drafts in which a reference is all that a schema says."""

from __future__ import annotations

from service.constraints.drafts import draft_of
from service.constraints.guard import check_document
from service.constraints.json_types import Json
from service.constraints.keywords import OF_NAMES, OF_VALUES

_KEPT = frozenset({"$ref", "$schema", "$defs", "definitions"})
"""The reference, and what it may point into."""


def without_siblings(schema: Json, *, param: str) -> Json:
    """A schema without what its draft ignores, which the compiler would enforce. References into
    that point to nothing then.

    Raises UnsupportedSchema for what is too large or too deep for one; `param` is the request's
    field that holds it.
    """
    draft = draft_of(schema)
    if draft is None or draft.heeds_siblings:
        return schema
    check_document(schema, param=param)
    return _without(schema)


def _without(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_without(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    is_reference = isinstance(schema.get("$ref"), str)
    return {
        key: _below(key, value) for key, value in schema.items() if not is_reference or key in _KEPT
    }


def _below(key: str, value: Json) -> Json:
    if key in OF_VALUES:
        return value
    if key in OF_NAMES and isinstance(value, dict):
        return {name: _without(each) for name, each in value.items()}
    return _without(value)
