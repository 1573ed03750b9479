"""The last check: JSON and nothing else, read exactly, whatever the schema's patterns are."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from service.constraints.json_types import Json
from service.constraints.validation import validate_text
from tests.unit.service.constraints.hostile import both, chain, either

OBJECT: Json = {
    "type": "object",
    "properties": {"a": {"type": "string", "pattern": "^a+$"}, "n": {"multipleOf": 0.01}},
    "patternProperties": {"^x": {"type": "null"}},
    "additionalProperties": False,
}


@pytest.mark.parametrize("text", ['{"a":"aa"}', "{}", '{"n":77.02}', '{"x1":null}', '{"n":1e400}'])
def test_valid(text: str) -> None:
    assert validate_text(text, OBJECT) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ('{"a":"a"', "not JSON"),
        ("{} {}", "not JSON"),
        ('{"n":NaN}', "not JSON: NaN"),
        ('{"n":-Infinity}', "not JSON: -Infinity"),
        ('{"a":"a\n"}', "not JSON"),
        ('{"a":"b"}', "$.a: "),
        ('{"n":77.023}', "$.n: "),
        ('{"n":1e-400}', "$.n: "),
        ('{"x1":1}', "$.x1: "),
        ('{"y":1}', "$: "),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_invalid_with_the_reason(text: str, reason: str) -> None:
    found = validate_text(text, OBJECT)
    assert found is not None
    assert found.startswith(reason) or (reason == "$: " and found.startswith("$"))


def test_reasons_are_short_whatever_is_invalid() -> None:
    found = validate_text('{"a":"' + "b" * 100_000 + '"}', OBJECT)
    assert found is not None
    assert len(found) <= 300


@pytest.mark.parametrize("digits", ["9" * 10_000, "-" + "1" + "0" * 20_000])
def test_numbers_may_be_longer_than_python_likes(digits: str) -> None:
    assert validate_text(digits, {"type": "integer"}) is None
    assert validate_text(digits, {"type": "integer", "multipleOf": 1}) is None
    assert validate_text(digits, {"type": "string"}) is not None


@pytest.mark.parametrize(
    ("text", "schema", "is_valid"),
    [
        ("300", {"multipleOf": 100}, True),
        ("350", {"multipleOf": 100}, False),
        ("1.5", {"multipleOf": 0.3}, True),
        ("3.0e2", {"multipleOf": 100}, True),
        ("123456789012345678.01", {"multipleOf": 0.01}, True),
        ("123456789012345678.015", {"multipleOf": 0.01}, False),
        ("true", {"multipleOf": 2}, True),
        ("9999999999999999.99", {"exclusiveMaximum": 1e16}, True),
        ("10000000000000000.0", {"exclusiveMaximum": 1e16}, False),
        ("0.00", {"exclusiveMinimum": 0}, False),
        ("1e-500", {"exclusiveMinimum": 0}, True),
    ],
)
def test_numbers_are_compared_as_they_are_written(text: str, schema: Json, is_valid: bool) -> None:
    assert (validate_text(text, schema) is None) == is_valid


def test_the_schemas_draft_decides() -> None:
    schema: dict[str, Json] = {"type": "array", "items": [{"type": "null"}]}
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    assert validate_text("[null,1]", schema) is None
    assert validate_text("[1]", schema) is not None


def test_a_pattern_that_backtracks_takes_no_time() -> None:
    """Python's own expressions would take for ever to see that this ends otherwise."""
    schema: Json = {"type": "string", "pattern": "^((a+)+b|a*)$"}
    begun_at = time.process_time()
    assert validate_text('"' + "a" * 5000 + '"', schema) is None
    assert validate_text('"' + "a" * 5000 + 'c"', schema) is not None
    assert time.process_time() - begun_at < 1


@pytest.mark.parametrize(
    "text", ["\\u0001", "\\n", "\\t", "\u007f", "\\u007f", "é", "🎉", "\\\\", '\\"', "/"]
)
def test_any_character_can_be_matched(text: str) -> None:
    assert validate_text(f'"{text}"', {"pattern": "(?s)^.$"}) is None
    assert validate_text(f'"{text}"', {"pattern": "^a$"}) is not None


@pytest.mark.parametrize("link", [both, either])
def test_references_that_double_each_time_take_no_time(link: Callable[[Json], Json]) -> None:
    begun_s = time.process_time()
    schema = chain(25, link)
    assert validate_text("null", schema) is None
    assert validate_text("1", schema) is not None
    assert time.process_time() - begun_s < 1


def test_a_reference_is_followed_for_each_value() -> None:
    schema: Json = {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "integer"}}}
    assert validate_text("[1, 2, 1]", schema) is None
    assert validate_text('[1, 2, "1"]', schema) is not None
    either_way: Json = {
        "allOf": [{"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}, {"$ref": "#/$defs/a"}],
        "$defs": {"a": {"type": "integer"}},
    }
    assert validate_text("1", either_way) is None
    assert validate_text('"1"', either_way) is not None
