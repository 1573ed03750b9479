"""Reads JSON exactly: numbers keep their digits, and nothing but JSON is read."""

from __future__ import annotations

import json

from service.constraints.json_types import Json

_MAX_DIGITS_AT_ONCE = 4000
"""Python refuses to convert longer texts to an integer."""


class DecimalFloat(float):
    """A float that remembers how it was written."""

    text: str


def read_json(text: str) -> Json:
    """Floats are DecimalFloat.

    Raises ValueError for what is not JSON, RecursionError for what is nested too deep.
    """
    value: Json = _DECODER.decode(text)
    return value


def decimal_parts(number: float) -> tuple[int, int]:
    """Digits and exponent such that digits * 10**exponent is the number as it was written.

    An integer is its own digits; those of a float do not end in zeros.
    """
    if isinstance(number, int):
        return number, 0
    text = number.text if isinstance(number, DecimalFloat) else str(number)
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).rstrip("0")
    num_dropped = len(whole) + len(fraction) - len(digits)
    power = read_whole(exponent.removeprefix("+") or "0") - len(fraction) + num_dropped
    return (0, 0) if digits in {"", "-"} else (read_whole(digits), power)


def read_whole(digits: str) -> int:
    """An integer of any length."""
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    number = 0
    for start in range(0, len(digits), _MAX_DIGITS_AT_ONCE):
        chunk = digits[start : start + _MAX_DIGITS_AT_ONCE]
        number = number * 10 ** len(chunk) + int(chunk)
    return sign * number


def _read_fraction(text: str) -> DecimalFloat:
    number = DecimalFloat(text)
    number.text = text
    return number


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    parse_int=read_whole, parse_float=_read_fraction, parse_constant=_refuse
)
