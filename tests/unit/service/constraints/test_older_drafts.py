"""What older drafts say otherwise is enforced as they say it, or refused by name."""

from __future__ import annotations

import json

import jsonschema
import pytest

from service.constraints.json_types import Json
from service.constraints.prepare import SchemaOptions, prepare_schema
from service.constraints.validation import validate_text
from service.errors import UnsupportedSchema
from tests.unit.service.constraints.walks import Walker, allows

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_6 = "http://json-schema.org/draft-06/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
LATER = "https://json-schema.org/draft/2019-09/schema"
TEXT: Json = {"type": "string"}

BESIDE: dict[str, tuple[dict[str, Json], str]] = {
    "at the root": (
        {"$ref": "#/definitions/a", "type": "number", "definitions": {"a": TEXT}},
        '"abc"',
    ),
    "below": (
        {
            "properties": {"$ref": {"$ref": "#/definitions/a", "maxLength": 1}},
            "definitions": {"a": TEXT},
        },
        '{"$ref":"abc"}',
    ),
    "in alternatives": (
        {
            "oneOf": [{"$ref": "#/definitions/a", "maxLength": 2}, {"type": "null"}],
            "definitions": {"a": TEXT},
        },
        '"abc"',
    ),
    "what could not be enforced": (
        {"$ref": "#/definitions/a", "not": {}, "definitions": {"a": TEXT}},
        '"abc"',
    ),
    "a constant that looks like it": (
        {"enum": [{"$ref": "#", "type": "null"}]},
        '{"$ref":"#","type":"null"}',
    ),
}


@pytest.mark.parametrize("draft", [DRAFT_4, DRAFT_6, DRAFT_7])
@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_a_reference_is_ignored_as_it_was_in_older_drafts(
    name: str, draft: str
) -> None:
    schema, text = BESIDE[name]
    of_draft: dict[str, Json] = {"$schema": draft, **schema}
    jsonschema.validate(json.loads(text), of_draft)
    form = prepare_schema(of_draft, param="p")
    assert form.check is not None
    assert form.check(text) is None
    assert allows(Walker().compile(json.loads(form.spec.source)), text)


@pytest.mark.parametrize("draft", [DRAFT_4, DRAFT_6, DRAFT_7])
def test_alternatives_that_only_ignored_words_tell_apart_are_refused(draft: str) -> None:
    schema: Json = {
        "$schema": draft,
        "oneOf": [{"$ref": "#/definitions/a", "type": each} for each in ("string", "null")],
        "definitions": {"a": {}},
    }
    with pytest.raises(UnsupportedSchema, match="oneOf"):
        prepare_schema(schema, param="p")


def test_what_stands_beside_a_reference_counts_in_later_drafts() -> None:
    schema: Json = {"$schema": LATER, "$ref": "#/$defs/a", "maxLength": 1, "$defs": {"a": TEXT}}
    form = prepare_schema(schema, param="p")
    assert form.check is not None
    assert form.check('"ab"') is not None


def test_a_reference_into_what_is_ignored_is_refused() -> None:
    schema: dict[str, Json] = {
        "$schema": DRAFT_7,
        "$ref": "#/properties/a",
        "properties": {"a": TEXT},
    }
    with pytest.raises(UnsupportedSchema, match="points to nothing"):
        prepare_schema(schema, param="p")


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "array", "items": False}, "#/items"),
        ({"items": [True]}, "#/items/0"),
        ({"properties": {"additionalProperties": True}}, "#/properties/additionalProperties"),
        ({"anyOf": [{"type": "null"}, False]}, "#/anyOf/1"),
        ({"$ref": "#/definitions/a", "definitions": {"a": True}}, "#/definitions/a"),
    ],
)
def test_schemas_that_are_true_or_false_are_refused_where_there_are_none(
    schema: dict[str, Json], pointer: str
) -> None:
    for options in (SchemaOptions(), SchemaOptions(relaxes=True)):
        with pytest.raises(UnsupportedSchema) as refused:
            prepare_schema({"$schema": DRAFT_4, **schema}, param="p", options=options)
        assert str(refused.value).startswith(f"{pointer}: ")
    prepare_schema({"$schema": DRAFT_6, **schema}, param="p")


def test_further_properties_and_items_may_be_ruled_out_there() -> None:
    schema: Json = {
        "$schema": DRAFT_4,
        "items": [{"properties": {"properties": {"additionalProperties": False}}}],
        "additionalItems": False,
        "additionalProperties": False,
    }
    form = prepare_schema(schema, param="p")
    assert form.check is not None
    assert form.check('[{"properties": {}}]') is None
    assert form.check('[{"properties": {"a": 1}}]') is not None


def test_what_the_last_check_cannot_check_is_no_valid_answer() -> None:
    reason = validate_text("[1]", {"$schema": DRAFT_4, "type": "array", "items": False})
    assert reason is not None
    assert reason.startswith("it cannot be checked: TypeError")
