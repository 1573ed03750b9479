"""What the value of each enforced keyword must look like, so that no reader of it is surprised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.constraints.json_types import Json

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


@dataclass(frozen=True, slots=True)
class Shape:
    is_met: Callable[[Json], bool]
    description: str


def is_schema(value: Json) -> bool:
    return isinstance(value, dict | bool)


def admits(keywords: Mapping[str, Json], type_name: str) -> bool:
    """Whether the schema's `type` allows values of that type."""
    named = keywords.get("type", type_name)
    return named == type_name or (isinstance(named, list) and type_name in named)


def is_number(value: Json) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_type(value: Json) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in TYPES for name in names)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_list_of_schemas(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_schema, value))


def _is_map_of_schemas(value: Json) -> bool:
    return isinstance(value, dict) and all(map(is_schema, value.values()))


def _is_list_of_texts(value: Json) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_COUNT = Shape(_is_count, "must be a whole number, not negative")
_NUMBER = Shape(is_number, "must be a number")
_TEXT = Shape(_is_text, "must be a string")
_SCHEMA = Shape(is_schema, "must be a schema")
_SCHEMAS = Shape(_is_list_of_schemas, "must be a list of one or more schemas")
_SCHEMA_MAP = Shape(_is_map_of_schemas, "must be an object of schemas")

SHAPES: Mapping[str, Shape] = {
    "$ref": _TEXT,
    "additionalProperties": _SCHEMA,
    "allOf": _SCHEMAS,
    "anyOf": _SCHEMAS,
    "enum": Shape(
        lambda value: isinstance(value, list) and bool(value), "must be a list of one or more"
    ),
    "exclusiveMaximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "format": _TEXT,
    "items": _SCHEMA,
    "maxItems": _COUNT,
    "maxLength": _COUNT,
    "maxProperties": _COUNT,
    "maximum": _NUMBER,
    "minItems": _COUNT,
    "minLength": _COUNT,
    "minProperties": _COUNT,
    "minimum": _NUMBER,
    "multipleOf": Shape(
        lambda value: isinstance(value, int | float) and is_number(value) and value > 0,
        "must be a number above 0",
    ),
    "oneOf": _SCHEMAS,
    "pattern": _TEXT,
    "patternProperties": _SCHEMA_MAP,
    "prefixItems": _SCHEMAS,
    "properties": _SCHEMA_MAP,
    "required": Shape(_is_list_of_texts, "must be a list of strings"),
    "type": Shape(_is_type, "must be a type of JSON, or a list of them"),
}

BOOLEAN = Shape(lambda value: isinstance(value, bool), "must be true or false")
"""Of `exclusiveMinimum` and `exclusiveMaximum` in Draft 4."""

ITEMS = Shape(
    lambda value: is_schema(value) or _is_list_of_schemas(value),
    "must be a schema, or a list of them",
)
"""Of `items` in drafts without `prefixItems`."""
