"""Dates and times that an output may have are ones that exist, and all of those."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service.constraints.document import MAX_BYTES
from service.constraints.json_types import Json
from service.constraints.prepare import PreparedForm, prepare_schema
from tests.unit.service.constraints.walks import Walker, allows, walk

TYPES = {"date": date, "date-time": datetime, "duration": timedelta, "time": time}


def prepared(**keywords: Json) -> PreparedForm:
    return prepare_schema({"type": "string", **keywords}, param="p")


FORMS = {name: prepared(format=name) for name in TYPES}
MATCHERS = {name: Walker().compile(json.loads(FORMS[name].spec.source)) for name in TYPES}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2023-02-29"),
        ("date", "1900-02-29"),
        ("date", "0000-01-01"),
        ("date", "0000-02-29"),
        ("date", "2024-02-30"),
        ("date", "2024-04-31"),
        ("date", "2024-13-01"),
        ("date", "2024-00-01"),
        ("date", "2024-01-00"),
        ("date", "02024-01-01"),
        ("date-time", "2023-02-29T00:00:00Z"),
        ("date-time", "2016-12-31T23:59:60Z"),
        ("date-time", "2016-12-31 23:59:59Z"),
        ("date-time", "2016-12-31T23:59:59"),
        ("time", "10:00:60Z"),
        ("time", "24:00:00Z"),
        ("time", "10:00:00"),
        ("time", "10:00:00.Z"),
        ("duration", "P"),
        ("duration", "PT"),
        ("duration", "P1Y2W"),
        ("duration", "P1Y1D"),
        ("duration", "P99999999Y"),
    ],
)
def test_what_does_not_exist_is_not_allowed(name: str, text: str) -> None:
    assert not allows(MATCHERS[name], f'"{text}"')
    check = FORMS[name].check
    assert check is not None
    assert check(f'"{text}"') is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2000-02-29"),
        ("date", "0004-02-29"),
        ("date", "9999-12-31"),
        ("date", "0001-01-01"),
        ("date-time", "2024-02-29T23:59:59.123456+23:59"),
        ("date-time", "2024-02-29t00:00:00z"),
        ("time", "00:00:00-00:30"),
        ("duration", "P1Y2M3DT4H5M6S"),
        ("duration", "PT5M6S"),
        ("duration", "P2W"),
    ],
)
def test_what_exists_is_allowed(name: str, text: str) -> None:
    assert allows(MATCHERS[name], f'"{text}"')
    check = FORMS[name].check
    assert check is not None
    assert check(f'"{text}"') is None


@given(st.dates())
def test_every_date_is_allowed(day: date) -> None:
    assert allows(MATCHERS["date"], f'"{day.isoformat()}"')


def test_a_29_february_is_allowed_in_leap_years_and_no_others() -> None:
    for year in range(10_000):
        text = f"{year:04}-02-29"
        try:
            date.fromisoformat(text)
        except ValueError:
            exists = False
        else:
            exists = True
        assert allows(MATCHERS["date"], f'"{text}"') is exists, text


@pytest.mark.parametrize("name", TYPES)
def test_pydantic_reads_whatever_is_made(name: str) -> None:
    adapter: TypeAdapter[object] = TypeAdapter(TYPES[name])
    random, num_read = Random(0), 0
    for _ in range(100):
        text = walk(MATCHERS[name], random)
        if text is not None:
            try:
                adapter.validate_json(text)
            except ValidationError as invalid:
                raise AssertionError(text) from invalid
            num_read += 1
    assert num_read > 20


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date", "pattern": "^2023"},
        {"format": "date", "allOf": [{"type": "string", "pattern": "^2023"}]},
        {"type": ["null", "string"], "pattern": "^2023", "format": "date", "allOf": [{}]},
    ],
)
def test_a_pattern_beside_a_format_holds_too(schema: dict[str, Json]) -> None:
    form = prepare_schema(schema, param="p")
    matcher = Walker().compile(json.loads(form.spec.source))
    assert allows(matcher, '"2023-02-28"')
    assert not allows(matcher, '"2023-02-29"')
    assert not allows(matcher, '"2024-02-29"')


def test_what_is_no_format_of_strings_stays() -> None:
    schema: Json = {"properties": {"format": {"const": {"format": "date"}}}, "format": "date"}
    source = json.loads(prepare_schema(schema, param="p").spec.source)
    assert source["properties"] == schema["properties"]  # type: ignore[index,call-overload]
    number: Json = {"type": "integer", "format": "date"}
    assert json.loads(prepare_schema(number, param="p").spec.source) == number


def test_a_schema_that_is_too_large_with_patterns_in_it_is_not_refused_for_them() -> None:
    dates: Json = {f"d{index}": {"type": "string", "format": "date"} for index in range(1500)}
    schema: Json = {"type": "object", "properties": dates, "description": "x" * (150 << 10)}
    form = prepare_schema(schema, param="p")
    assert len(form.spec.source) > MAX_BYTES
    assert form.check is not None
    assert form.check('{"d7": "2024-02-29"}') is None
