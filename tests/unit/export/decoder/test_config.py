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


@pytest.mark.parametrize(
    ("key", "largest"),
    [
        ("num_hidden_layers", 1024),
        ("num_attention_heads", 4096),
        ("head_dim", 4096),
        ("num_experts", 4096),
        ("hidden_size", 1 << 20),
        ("vocab_size", 1 << 22),
        ("max_position_embeddings", 1 << 24),
        ("anything_else", (1 << 31) - 1),
    ],
)
def test_a_size_has_a_limit_that_is_told(key: str, largest: int) -> None:
    assert ConfigReader({key: largest}).integer(key) == largest
    for value in (largest + 1, 10**19, 10**400):
        with pytest.raises(ExportError, match=rf"config\.{key} is .*, expected {largest} at"):
            ConfigReader({key: value}).integer(key)


def test_a_number_that_32_bits_cannot_hold_is_refused() -> None:
    assert _reader(3.4e38).number("key") == 3.4e38
    with pytest.raises(ExportError, match=r"config\.key is 3\.5e\+38, expected a number"):
        _reader(3.5e38).number("key")


def test_a_number_between_two_others_is_read() -> None:
    assert _reader(1).between("key", 1, 2) == 1
    assert ConfigReader({}).between("key", 1, 2, 1.5) == 1.5
    assert ConfigReader({"key": None}).optional_between("key", 1, 2) is None
    for value in (0.5, 2.5):
        with pytest.raises(ExportError, match="expected a number from 1 to 2"):
            _reader(value).optional_between("key", 1, 2)
