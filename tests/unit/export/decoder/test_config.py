from __future__ import annotations

import math

import pytest

from export.checkpoints.base import JsonValue
from export.decoder.config import ConfigReader
from export.errors import ExportError


def _reader(value: JsonValue) -> ConfigReader:
    return ConfigReader({"key": value})


def test_values_of_the_right_type_are_read() -> None:
    assert _reader(3).integer("key") == 3
    assert _reader(0).number("key") == 0.0
    assert _reader(-1.5).number("key") == -1.5
    assert _reader(2).positive("key") == 2.0
    assert _reader(True).flag("key", False) is True
    assert _reader("x").text("key") == "x"
    assert _reader([1, 2.5]).numbers("key", length=2) == (1.0, 2.5)


@pytest.mark.parametrize("values", [{}, {"key": None}], ids=["missing", "null"])
def test_a_missing_value_is_its_default(values: dict[str, JsonValue]) -> None:
    reader = ConfigReader(values)
    assert reader.integer("key", 3) == 3
    assert reader.number("key", 0.5) == 0.5
    assert reader.optional_number("key") is None
    assert reader.flag("key", True) is True
    assert reader.text("key", "x") == "x"
    assert reader.section("key") is None


def test_a_missing_value_without_a_default_is_named() -> None:
    reader = ConfigReader({})
    for read in (reader.integer, reader.number, reader.positive, reader.text):
        with pytest.raises(ExportError, match="config lacks 'key'"):
            read("key")


@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, True, "3", [3], {}])
def test_what_is_no_positive_whole_number_is_refused(value: JsonValue) -> None:
    with pytest.raises(ExportError, match=r"config\.key is .*, expected a positive whole number"):
        _reader(value).integer("key")


@pytest.mark.parametrize("value", [True, "1", [], math.inf, -math.inf, math.nan, 10**400])
def test_what_is_no_finite_number_is_refused(value: JsonValue) -> None:
    for read in (_reader(value).number, _reader(value).positive, _reader(value).optional_number):
        with pytest.raises(ExportError, match=r"config\.key is .*, expected a number"):
            read("key")


@pytest.mark.parametrize("value", [0, 0.0, -1e-9])
def test_what_has_to_be_positive_is(value: JsonValue) -> None:
    with pytest.raises(ExportError, match="expected a positive number"):
        _reader(value).positive("key")


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_what_is_no_flag_is_refused(value: JsonValue) -> None:
    with pytest.raises(ExportError, match="expected true or false"):
        _reader(value).flag("key", False)


@pytest.mark.parametrize("value", [1, True, ["x"], {}])
def test_what_is_no_text_is_refused(value: JsonValue) -> None:
    with pytest.raises(ExportError, match="expected a string"):
        _reader(value).text("key", "default")


@pytest.mark.parametrize("value", [[1], [1, 2, 3], "12", 5])
def test_a_list_has_to_have_its_length(value: JsonValue) -> None:
    with pytest.raises(ExportError, match="expected a list of 2 numbers"):
        _reader(value).numbers("key", length=2)


def test_a_wrong_number_in_a_list_is_named_by_its_place() -> None:
    with pytest.raises(ExportError, match=r"config\.key\.1 is 'x', expected a number"):
        _reader([1, "x"]).numbers("key", length=2)


def test_a_wrong_value_in_a_section_is_named_by_its_path() -> None:
    section = _reader({"inner": "x"}).section("key")
    assert section is not None
    with pytest.raises(ExportError, match=r"config\.key\.inner is 'x'"):
        section.integer("inner")
    with pytest.raises(ExportError, match="expected an object"):
        _reader([]).section("key")


def test_a_message_is_one_short_line_whatever_the_value() -> None:
    with pytest.raises(ExportError) as refused:
        _reader("\n\x1b[31m" * 10_000).integer("key")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300
