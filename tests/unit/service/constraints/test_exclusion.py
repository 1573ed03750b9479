"""Alternatives of a `oneOf` exclude each other in the client's own schema, or are refused."""

from __future__ import annotations

import json
import time

import jsonschema
import pytest

from service.constraints.json_types import Json
from service.constraints.prepare import SchemaOptions, prepare_schema
from service.errors import UnsupportedSchema
from tests.unit.service.constraints.walks import Walker, allows

DRAFT_4 = "http://json-schema.org/draft-04/schema#"


def named(required: list[str], **properties: Json) -> dict[str, Json]:
    names: list[Json] = [*required]
    return {"type": "object", "properties": properties, "required": names}


def kind(value: Json, **properties: Json) -> dict[str, Json]:
    return named(["kind"], kind={"const": value}, **properties)


def closed(schema: dict[str, Json]) -> dict[str, Json]:
    return {**schema, "additionalProperties": False}


NAME = named(["name"], name={"type": "string"})
NAME_AND_AGE = named(["name", "age"], name={"type": "string"}, age={"type": "integer"})

APART: dict[str, tuple[Json, list[str]]] = {
    "types": ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ["1", '"a"']),
    "constants": ({"oneOf": [{"const": "a"}, {"const": 1}, {"enum": ["b", True]}]}, ["1", "true"]),
    "constants that are objects": (
        {"oneOf": [{"const": {"kind": "a"}}, {"const": {}}, kind("b")]},
        ['{"kind":"a"}', "{}", '{"kind":"b"}'],
    ),
    "a property's constant": (
        {"oneOf": [kind("a", x={}), kind("b", y={})]},
        ['{"kind":"a","x":1}', '{"kind":"b","y":1}'],
    ),
    "as pydantic writes it": (
        {
            "discriminator": {"propertyName": "kind"},
            "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
            "$defs": {"A": kind("a"), "B": kind("b", other={"$ref": "#/$defs/A"})},
        },
        ['{"kind":"a"}', '{"kind":"b","other":{"kind":"a"}}'],
    ),
    "numbers for constants": ({"oneOf": [kind(1), kind(2), kind(True)]}, ['{"kind":2}']),
    "a constant required around them": (
        {
            "type": "object",
            "required": ["kind"],
            "oneOf": [{"properties": {"kind": {"const": each}}} for each in "ab"],
        },
        ['{"kind":"a"}'],
    ),
    "a part's constant": (
        {"oneOf": [named(["x"], x=kind(each)) for each in "ab"]},
        ['{"x":{"kind":"b"}}'],
    ),
    "closed by the client": (
        {"oneOf": [closed(NAME), closed(NAME_AND_AGE)]},
        ['{"name":"Bob"}', '{"name":"Bob","age":5}'],
    ),
    "an allOf's constant": (
        {
            "oneOf": [{"allOf": [{"$ref": "#/$defs/a"}, kind(each)]} for each in "ab"],
            "$defs": {"a": NAME},
        },
        ['{"name":"Bob","kind":"a"}', '{"name":"Bob","kind":"b"}'],
    ),
    "ranges": (
        {"oneOf": [{"type": "number", "maximum": 5}, {"type": "number", "exclusiveMinimum": 5}]},
        ["5", "5.5"],
    ),
    "lengths": (
        {"oneOf": [{"type": "string", "maxLength": 2}, {"type": "string", "minLength": 3}]},
        ['"ab"', '"abc"'],
    ),
    "first items": (
        {
            "oneOf": [
                {"type": "array", "minItems": 1, "prefixItems": [{"const": each}]} for each in "ab"
            ]
        },
        ['["a"]', '["b"]'],
    ),
    "options of options": (
        {"oneOf": [{"anyOf": [{"type": "null"}, kind("a")]}, {"oneOf": [kind("b"), kind("c")]}]},
        ["null", '{"kind":"c"}'],
    ),
}


@pytest.mark.parametrize("name", APART)
def test_alternatives_that_exclude_each_other_are_enforced(name: str) -> None:
    schema, texts = APART[name]
    form = prepare_schema(schema, param="p")
    matcher = Walker().compile(json.loads(form.spec.source))
    assert not matcher.is_error(), matcher.get_error()
    assert form.check is not None
    for text in texts:
        assert form.check(text) is None
        assert allows(matcher, text), text


def test_objects_that_exclude_each_other_are_closed() -> None:
    form = prepare_schema({"oneOf": [kind("a"), kind("b")]}, param="p")
    assert json.loads(form.spec.source) == {"oneOf": [closed(kind("a")), closed(kind("b"))]}


OVERLAPPING: dict[str, tuple[Json, str, str]] = {
    "with a property more": ({"oneOf": [NAME, NAME_AND_AGE]}, "#", '{"name": "Bob", "age": 5}'),
    "below a property": (
        named(["p"], p={"oneOf": [NAME, NAME_AND_AGE]}),
        "#/properties/p",
        '{"p": {"name": "Bob", "age": 5}}',
    ),
    "deeper than the alternatives": (
        {"oneOf": [named(["x"], x=NAME), named(["x"], x=NAME_AND_AGE)]},
        "#",
        '{"x": {"name": "Bob", "age": 5}}',
    ),
    "one of them in a reference": (
        {"oneOf": [{"$ref": "#/$defs/a"}, NAME_AND_AGE], "$defs": {"a": NAME}},
        "#",
        '{"name": "Bob", "age": 5}',
    ),
    "a constant that is not required": (
        {"oneOf": [{"properties": {"k": {"const": each}}} for each in "ab"]},
        "#",
        "{}",
    ),
    "equal numbers": ({"oneOf": [kind(1), kind(1.0)]}, "#", '{"kind": 1}'),
    "one bound": (
        {"oneOf": [{"type": "number", "maximum": 5}, {"type": "number", "minimum": 5}]},
        "#",
        "5",
    ),
    "what a pattern says of other names": (
        {
            "type": "object",
            "properties": {"x": {"oneOf": [{"required": ["kind"]}, kind("b")]}},
            "patternProperties": {"^y": kind("a")},
        },
        "#/properties/x",
        '{"x": {"kind": "b"}}',
    ),
    "words that the draft does not know": (
        {"$schema": DRAFT_4, "oneOf": [{"const": "a"}, {"const": "b"}]},
        "#",
        '"a"',
    ),
    "apart only where it stands beside others": (
        {
            "anyOf": [{"allOf": [{"required": ["kind"]}, {"$ref": "#/$defs/a"}]}, named([])],
            "items": {"$ref": "#/$defs/a"},
            "$defs": {"a": {"oneOf": [{"properties": {"kind": {"const": c}}} for c in "ab"]}},
        },
        "#/$defs/a",
        "[{}]",
    ),
}


@pytest.mark.parametrize("name", OVERLAPPING)
def test_alternatives_that_a_value_may_match_at_once_are_refused_by_name(name: str) -> None:
    schema, pointer, text = OVERLAPPING[name]
    assert isinstance(schema, dict)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(text), schema)
    with pytest.raises(UnsupportedSchema) as refused:
        prepare_schema(schema, param="p")
    assert str(refused.value).startswith(f"{pointer}: the keyword 'oneOf' cannot be enforced")
    assert "additionalProperties" in str(refused.value), "how to mend it"


@pytest.mark.parametrize("name", OVERLAPPING)
def test_they_are_taken_for_any_of_where_that_is_allowed(name: str) -> None:
    schema, pointer, text = OVERLAPPING[name]
    for form in (
        prepare_schema(schema, param="p", coerces_one_of=True),
        prepare_schema(schema, param="p", options=SchemaOptions(relaxes=True)),
    ):
        assert form.relaxed == [f"{pointer}/oneOf"]
        assert form.check is not None
        assert form.check(text) is None


def test_the_last_check_knows_the_clients_own_schema() -> None:
    form = prepare_schema(named([], a={"type": "null"}), param="p")
    assert form.check is not None
    assert form.check('{"a": null}') is None
    assert form.check('{"b": null}') is not None, "closed"


@pytest.mark.parametrize(
    "options",
    [
        [{"const": f"v{index}"} for index in range(1500)],
        [{"type": "array", "minItems": index} for index in range(1500)],
        [{"type": "array", "minItems": index, "maxItems": index} for index in range(1500)],
    ],
)
def test_many_alternatives_take_no_time(options: list[Json]) -> None:
    begun_s = time.process_time()
    prepare_schema({"oneOf": options}, param="p", coerces_one_of=True)
    assert time.process_time() - begun_s < 2
