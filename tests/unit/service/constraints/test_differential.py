"""What passes the guard is enforced: every finished text validates, whoever chose its tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from service.constraints.closing import closing
from service.constraints.document import read_document
from service.constraints.graph import GraphBuilder
from service.constraints.guard import check_schema
from service.constraints.json_types import Json
from service.constraints.relaxing import coercing
from service.constraints.rewriting import rewritten
from service.constraints.validation import validate_text
from service.errors import UnsupportedSchema
from tests.unit.service.constraints.schemas import numbers, schemas
from tests.unit.service.constraints.walks import Walker, allows, altered, walk

_LEFT_TO_THE_COMPILER = (
    "Unsatisfiable schema",
    "Unable to determine if regex is empty",
    "circular references with sibling keys",
    "min/maxProperties only supported",
    "Schema intersection stack level",
)
"""Reasons that only a compilation can find."""


def test_random_walks_through_random_schemas_validate() -> None:
    walker, happened = Walker(), Counter[str]()

    @settings(
        max_examples=250,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(schemas())
    def check(schema: Json) -> None:
        try:
            check_schema(schema, param="p")
            document = read_document(schema)
            nodes = GraphBuilder(document).build()
            coercing(nodes, document.draft, param="p", may_overlap=False)
        except UnsupportedSchema:
            return
        for each in (schema, rewritten(schema, closing(nodes))):
            happened.update(_walk(walker, each, schema))

    check()
    assert happened["finished"] > 250
    assert happened["compiled"] > happened["refused"]


@settings(max_examples=200, deadline=None, phases=[Phase.generate])
@given(st.lists(numbers(), min_size=1, max_size=2))
def test_at_the_bounds_of_ranges_nothing_invalid_is_allowed(parts: list[dict[str, Json]]) -> None:
    """Random walks seldom come there."""
    schema: Json = {"allOf": [*parts]} if len(parts) > 1 else dict(parts[0])
    try:
        check_schema(schema, param="p")
    except UnsupportedSchema:
        return
    matcher = Walker().compile(schema)
    if matcher.is_error():
        return
    bounds = {value for part in parts for value in part.values() if isinstance(value, int | float)}
    for text in {text for bound in {0, *bounds} for text in _close_to(bound)}:
        if allows(matcher, text):
            assert validate_text(text, schema) is None, (text, schema)


def _close_to(bound: float) -> Iterator[str]:
    """Numbers at a bound and on both sides of it, written in several ways."""
    for step in ("0", "1", "-1", "0.5", "-0.5", "0.001", "-0.001"):
        text = format(Decimal(str(bound)) + Decimal(step), "f")
        fraction = text if "." in text else f"{text}.0"
        yield from (text, fraction, f"{fraction}0", f"{fraction}1", f"{text}e0")
        yield from (text.removeprefix("-"), f"-{text}", f"-{fraction}")


def _walk(walker: Walker, schema: Json, given: Json) -> Counter[str]:
    """What is made under `schema` is valid under it, and under the one that was given."""
    matcher, happened, random = walker.compile(schema), Counter[str](), Random(0)
    if matcher.is_error():
        assert any(reason in matcher.get_error() for reason in _LEFT_TO_THE_COMPILER), schema
        return Counter(["refused"])
    assert not matcher.is_accepting(), f"an empty output: {schema}"
    happened["compiled"] += 1
    for _ in range(3):
        text = walk(matcher, random)
        if text is not None:
            happened["finished"] += 1
            others = [altered(text, random) for _ in range(5)]
            for each in [text, *(other for other in others if allows(matcher, other))]:
                reason = validate_text(each, schema, given)
                assert reason is None, (each, reason, schema)
    return happened


DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
NODE: Json = {
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["next"],
    "additionalProperties": False,
}

ENFORCED: list[tuple[Json, list[str], list[str]]] = [
    ({"type": "null"}, ["null"], ["true", "0", '""']),
    ({"type": "integer"}, ["0", "-7"], ["1.5", "01", '"1"', "-"]),
    ({"type": "number"}, ["0.25", "-7", "1e3"], ["NaN", ".5", "1.", "+1"]),
    ({"type": ["boolean", "null"]}, ["true", "null"], ["1"]),
    ({"enum": ["a", 1, None, [2]]}, ['"a"', "1", "null", "[2]"], ['"b"', "2", "[]", "[2,2]"]),
    ({"const": {"a": [1]}}, ['{"a":[1]}'], ["{}", '{"a":[1],"b":1}', '{"a":[2]}']),
    ({"type": "string", "minLength": 2}, ['"ab"', '"🎉🦄"'], ['"a"', '"🎉"']),
    ({"type": "string", "maxLength": 1}, ['""', '"🎉"', '"\\n"'], ['"ab"', '"\\n\\n"']),
    ({"type": "string", "pattern": "b"}, ['"abc"'], ['"ac"', '""']),
    ({"type": "string", "pattern": "^a|b$"}, ['"ac"', '"cb"'], ['"ca"', '"bc"']),
    ({"type": "string", "pattern": "^\\d+$"}, ['"12"'], ['"1x"', '"٣"', '"1\\n"']),
    ({"type": "string", "pattern": "^a*$", "maxLength": 2}, ['"aa"'], ['"aaa"', '"b"']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2024-13-01"', '"2024-04-31"']),
    (
        {"type": "string", "format": "uuid"},
        ['"' + "0" * 8 + "-0000" * 3 + '-000000000000"'],
        ['"0"'],
    ),
    ({"type": "integer", "minimum": -3, "maximum": 12}, ["-3", "0", "12"], ["-4", "13", "100"]),
    ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, ["4"], ["3", "5"]),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 1.5}, ["0.001", "1.5"], ["0", "1.51"]),
    ({"type": "integer", "multipleOf": 7}, ["0", "-14", "21"], ["1", "20"]),
    ({"type": "number", "multipleOf": 0.01}, ["77.02", "1"], ["0.001"]),
    ({"type": "array", "items": {"type": "null"}}, ["[]", "[null,null]"], ["[1]", "[null,]"]),
    ({"type": "array", "minItems": 1, "maxItems": 2}, ["[1]", "[1,2]"], ["[]", "[1,2,3]"]),
    (
        {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}},
        ["[]", "[null]", "[null,true]"],
        ["[true]", "[null,null]"],
    ),
    (
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]},
        ['{"a":null}', '{"a":null,"b":[]}'],
        ["{}", '{"a":1}', '{"b":1}', '{"a":null,"\\u0061":1}'],
    ),
    (
        {"properties": {"a": {"type": "null"}}, "additionalProperties": False, "type": "object"},
        ["{}", '{"a":null}'],
        ['{"b":1}', '{"a":null,"b":1}'],
    ),
    (
        {"type": "object", "additionalProperties": {"type": "null"}, "minProperties": 1},
        ['{"b":null}'],
        ["{}", '{"b":1}'],
    ),
    (
        {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "null"}},
        ["{}", '{"b":null}'],
        ['{"b":null,"c":null}'],
    ),
    (
        {
            "type": "object",
            "properties": {"x": {"type": "string"}},
            "patternProperties": {"^x": {"maxLength": 1}},
            "additionalProperties": False,
        },
        ['{"x":"a"}', '{"xy":"a"}'],
        ['{"x":"ab"}', '{"xy":"ab"}', '{"x":1}', '{"y":"a"}'],
    ),
    ({"allOf": [{"minimum": 3}, {"maximum": 4}], "type": "integer"}, ["3", "4"], ["2", "5"]),
    (
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "null"}}, "required": ["b"]},
            ]
        },
        ['{"a":null,"b":null}'],
        ['{"a":null}', '{"b":null}', '{"a":1,"b":null}'],
    ),
    (
        {
            "allOf": [
                {"type": "object", "patternProperties": {"^a": {}}},
                {"type": "object", "additionalProperties": False},
            ]
        },
        ["{}"],
        ['{"a":1}'],
    ),
    ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 5}]}, ["null", "5"], ["4"]),
    ({"oneOf": [{"type": "null"}, {"type": "string"}]}, ["null", '""'], ["1"]),
    (NODE, ['{"next":null}', '{"next":{"next":null}}'], ["{}", '{"next":{}}']),
    (
        {"$ref": "#/$defs/a", "maxLength": 1, "$defs": {"a": {"type": "string"}}},
        ['"a"'],
        ['"ab"', "1"],
    ),
    ({"$schema": DRAFT_4, "type": "integer", "minimum": 5, "exclusiveMinimum": True}, ["6"], ["5"]),
    (
        {
            "$schema": DRAFT_7,
            "type": "array",
            "items": [{"type": "null"}],
            "additionalItems": False,
        },
        ["[]", "[null]"],
        ["[1]", "[null,null]"],
    ),
    ({"$schema": DRAFT_4, "type": "object", "propertyNames": False}, ['{"a":1}'], []),
]


@pytest.mark.parametrize(("schema", "valid", "invalid"), ENFORCED, ids=str)
def test_the_masks_and_the_last_check_agree_with_the_specification(
    schema: Json, valid: list[str], invalid: list[str]
) -> None:
    check_schema(schema, param="p")
    matcher = Walker().compile(schema)
    assert not matcher.is_error(), matcher.get_error()
    for text in valid:
        assert validate_text(text, schema) is None
        assert allows(matcher, text), text
    for text in invalid:
        assert not allows(matcher, text), text


def test_what_the_guard_refuses_for_leniency_would_not_have_been_enforced() -> None:
    """Why these are refused although they compile: the masks would allow what is invalid."""
    lenient: list[tuple[Json, str]] = [
        ({"type": "integer", "minimum": 2**53 + 1}, str(2**53)),
        ({"const": 2**53 + 1}, str(2**53)),
        ({"type": "number", "maximum": -9007199254740871.0}, "-9007199254740870.0"),
        ({"type": "number", "minimum": 0.10210024862379385}, "0.10210024862379384"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, "0"),
        ({"exclusiveMaximum": -1, "allOf": [{"minimum": -1.5}]}, "-1"),
        ({"type": "object", "minProperties": 2}, '{"a":1,"a":1}'),
        ({"type": "string", "not": {}, "x-guidance": {"lenient": True}}, '"a"'),
        ({"type": "array", "prefixItems": [{"type": "null"}], "additionalItems": False}, "[1]"),
    ]
    for schema, text in lenient:
        with pytest.raises(UnsupportedSchema):
            check_schema(schema, param="p")
        assert allows(Walker().compile(schema), text)
        assert validate_text(text, schema) is not None
