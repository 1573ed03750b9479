"""Which objects are closed: those that name their properties and whom nothing else adds to."""

from __future__ import annotations

import copy

import pytest

from service.constraints.closing import closing
from service.constraints.document import read_document
from service.constraints.graph import GraphBuilder
from service.constraints.json_types import Json
from service.constraints.rewriting import rewritten

NAMED: dict[str, Json] = {"type": "object", "properties": {"a": {"type": "null"}}}
CLOSED: dict[str, Json] = {**NAMED, "additionalProperties": False}

UNCHANGED: dict[str, Json] = {
    "no properties": {"type": "object"},
    "open": {**NAMED, "additionalProperties": True},
    "others have a schema": {**NAMED, "additionalProperties": {"type": "null"}},
    "patterns": {**NAMED, "patternProperties": {"^x": {}}},
    "one more is required": {**NAMED, "required": ["a", "b"]},
    "a number of them": {**NAMED, "required": ["a"], "minProperties": 1},
    "parts of an allOf": {"allOf": [NAMED, {"type": "object", "properties": {"b": {}}}]},
    "beside an anyOf": {**NAMED, "anyOf": [{"required": ["a"]}, {"properties": {"b": {}}}]},
    "beside a reference": {**NAMED, "$ref": "#/$defs/b", "$defs": {"b": NAMED}},
    "deep in an allOf": {
        "allOf": [
            {"type": "object", "properties": {"c": NAMED}},
            {"type": "object", "properties": {"c": {"properties": {"b": {}}}}},
        ]
    },
    "reached by an allOf too": {
        "allOf": [{"$ref": "#/$defs/a"}, {"required": ["b"]}],
        "$defs": {"a": NAMED},
    },
    "below a property that the schema referred to has too": {
        "$ref": "#/$defs/base",
        "properties": {"x": {"properties": {"b": {}}, "required": ["b"]}},
        "$defs": {"base": {"properties": {"x": NAMED}, "required": ["x"]}},
    },
    "below a property that an allOf has too": {
        "allOf": [{"additionalProperties": NAMED}],
        "properties": {"x": {"properties": {"b": {}}}},
    },
    "below a property whose name a pattern matches": {
        "properties": {"x": NAMED},
        "patternProperties": {"^x": {"properties": {"b": {}}}},
    },
    "a literal that looks like it": {"const": {"properties": {"a": {}}}},
    "of another type": {"type": "string", "properties": {"a": {}}},
}


def closed(schema: Json) -> Json:
    return rewritten(schema, closing(GraphBuilder(read_document(schema)).build()))


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_speaks_of_other_properties_stays_open(name: str) -> None:
    assert closed(UNCHANGED[name]) == UNCHANGED[name]


CLOSING: dict[str, tuple[Json, Json]] = {
    "itself": (NAMED, CLOSED),
    "without a type": ({"properties": {}}, {"properties": {}, "additionalProperties": False}),
    "below": (
        {"type": "array", "items": NAMED, "prefixItems": [NAMED]},
        {"type": "array", "items": CLOSED, "prefixItems": [CLOSED]},
    ),
    "alternatives": ({"anyOf": [NAMED, {"type": "null"}]}, {"anyOf": [CLOSED, {"type": "null"}]}),
    "alternatives of one type": (
        {"type": "object", "oneOf": [NAMED, NAMED]},
        {"type": "object", "oneOf": [CLOSED, CLOSED]},
    ),
    "all of one": ({"allOf": [NAMED], "title": "x"}, {"allOf": [CLOSED], "title": "x"}),
    "referred to": (
        {"$ref": "#/$defs/a", "$defs": {"a": NAMED}},
        {"$ref": "#/$defs/a", "$defs": {"a": CLOSED}},
    ),
    "below a property that others only require": (
        {"properties": {"x": NAMED}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
        {"properties": {"x": CLOSED}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
    ),
    "a property of that name": (
        {"type": "object", "properties": {"properties": NAMED}},
        {"type": "object", "properties": {"properties": CLOSED}, "additionalProperties": False},
    ),
}


@pytest.mark.parametrize("name", CLOSING)
def test_what_names_its_properties_is_closed(name: str) -> None:
    schema, expected = CLOSING[name]
    before = copy.deepcopy(schema)
    assert closed(schema) == expected
    assert schema == before, "the input is left as it was"
    assert closed(expected) == expected
