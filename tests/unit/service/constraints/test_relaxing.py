"""Keywords that cannot be enforced, left out where a request would rather have the rest."""

from __future__ import annotations

import json
import time

import pytest

from service.constraints.guard import check_schema
from service.constraints.json_types import Json
from service.constraints.prepare import SchemaOptions, prepare_schema
from service.constraints.relaxing import MAX_RELAXED, relax_schema
from service.errors import UnsupportedSchema
from tests.unit.service.constraints.hostile import COMPILED, REFUSED

LENIENT = SchemaOptions(relaxes=True)
KEPT: Json = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("schema", "left", "pointers"),
    [
        (KEPT, KEPT, []),
        ({"type": "array", "uniqueItems": True}, {"type": "array"}, ["#/uniqueItems"]),
        (
            {"properties": {"a/b": {"not": {}, "type": "null"}}},
            {"properties": {"a/b": {"type": "null"}}},
            ["#/properties/a~1b/not"],
        ),
        ({"if": {}, "then": {}, "else": {}}, {}, ["#/if", "#/then", "#/else"]),
        (
            {"type": "string", "format": "iri", "pattern": "a(?=b)"},
            {"type": "string"},
            ["#/format", "#/pattern"],
        ),
        ({"$ref": "http://elsewhere/"}, {}, ["#/$ref"]),
        (
            {"allOf": [{"type": "integer"}, {"multipleOf": 97}, {"multipleOf": 103.1}]},
            {"allOf": [{"type": "integer"}, {"multipleOf": 97}, {}]},
            ["#/allOf/2/multipleOf"],
        ),
    ],
)
def test_what_cannot_be_enforced_is_left_out_and_told(
    schema: Json, left: Json, pointers: list[str]
) -> None:
    relaxed, found = relax_schema(schema, param="p")
    assert relaxed == left
    assert list(found) == pointers
    check_schema(relaxed, param="p")


def test_the_schema_itself_stays_as_it_was() -> None:
    schema: Json = {"not": {}}
    relax_schema(schema, param="p")
    assert schema == {"not": {}}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"type": "nothing"},
        {"minimum": "x"},
        {"minLength": 3, "maxLength": 2},
        {"$schema": "http://nobody/knows"},
        {"allOf": [{"not": {}} for _ in range(MAX_RELAXED + 1)]},
    ],
)
def test_what_is_wrong_otherwise_is_still_refused(schema: Json) -> None:
    with pytest.raises(UnsupportedSchema):
        relax_schema(schema, param="p")


@pytest.mark.parametrize("name", REFUSED)
def test_leniency_lets_nothing_harmful_pass(name: str) -> None:
    begun_s = time.process_time()
    try:
        relaxed, _ = relax_schema(REFUSED[name][1], param="p")
        check_schema(relaxed, param="p")
    except UnsupportedSchema:
        pass
    assert time.process_time() - begun_s < 2


def test_the_last_check_is_of_what_was_enforced() -> None:
    schema: Json = {"type": "array", "items": KEPT, "uniqueItems": True}
    form = prepare_schema(schema, param="p", options=LENIENT)
    assert form.relaxed == ["#/uniqueItems"]
    assert form.check is not None
    assert form.check('[{"a": 1}, {"a": 1}]') is None
    assert form.check('[{"a": "x"}]') is not None


def test_alternatives_that_may_overlap_are_relaxed_only_where_they_have_to_be() -> None:
    apart: Json = {"oneOf": [{"type": "integer"}, {"type": "string"}]}
    schema: Json = {
        "type": "array",
        "prefixItems": [apart, {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]}],
    }
    form = prepare_schema(schema, param="p", options=LENIENT)
    assert form.relaxed == ["#/prefixItems/1/oneOf"]
    assert json.loads(form.spec.source)["prefixItems"][0] == apart
    assert form.check is not None
    assert form.check("[1, 4]") is None
    assert form.check("[1, 2.5]") is not None


@pytest.mark.parametrize("name", COMPILED)
def test_what_is_enforced_anyway_stays_whole(name: str) -> None:
    assert not prepare_schema(COMPILED[name], param="p", options=LENIENT).relaxed
