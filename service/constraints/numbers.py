"""Bounds, divisors and literal numbers: those that a mask can hold an output to exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from service.constraints.json_text import decimal_parts
from service.constraints.json_types import Json
from service.constraints.problem import SchemaProblem, Trail, unenforceable
from service.constraints.shapes import admits

MAX_MULTIPLE = 10_000
"""The states of an automaton that divides grow with the divisor: 99,991 takes it seconds."""

_MAX_TOTAL = 10 * MAX_MULTIPLE
"""Of the different ones of a schema: ten of the largest take the compiler half a second."""

_MAX_EXACT = (1 << 53) - 1
_MAX_EXACT_POWER = 22
"""Of ten, in a 64-bit float."""

_OF_INT64: Mapping[str, int] = {"maximum": (1 << 63) - 1, "minimum": -(1 << 63)}
"""Bounds that it clips to just these."""


def check_exact(value: float, keyword: str, trail: Trail) -> None:
    """Raises SchemaProblem for a number that the compiler would read as a neighbour of it."""
    if abs(value) > _MAX_EXACT:
        raise unenforceable(trail, keyword, f" with a number beyond ±{_MAX_EXACT}")
    if isinstance(value, float) and not _is_read_exactly(value):
        raise unenforceable(trail, keyword, f" with the digits of {value}: they are too many")


def check_bounds(keywords: Mapping[str, Json], trail: Trail) -> None:
    """Of one schema."""
    low, low_excluded = _bound(keywords, "minimum", "exclusiveMinimum", trail)
    high, high_excluded = _bound(keywords, "maximum", "exclusiveMaximum", trail)
    if low is None or high is None:
        return
    if low > high or (low == high and (low_excluded or high_excluded)):
        keyword = "maximum" if "maximum" in keywords else "exclusiveMaximum"
        raise SchemaProblem(trail, keyword, "contradicts the minimum")
    check_range([keywords], trail)


def check_range(schemas: Sequence[Mapping[str, Json]], trail: Trail) -> None:
    """Of the bounds that apply to one value, each in one of several schemas or all in one.

    Between an excluded whole number and the next one, the compiler allows that number all the
    same: 0 in a range from 0, excluded, to 0.5.
    """
    if not all(admits(keywords, "number") for keywords in schemas):
        return
    low, high = range_of(schemas, trail)
    if low is None or high is None:
        return
    for keyword, near, far in (("exclusiveMinimum", low, high), ("exclusiveMaximum", high, low)):
        bound, is_excluded = near
        if is_excluded and bound == int(bound) and 0 <= bound < -far[0] < bound + 1:
            raise unenforceable(trail, keyword, ": no whole number is between the bounds")


def range_of(
    schemas: Sequence[Mapping[str, Json]], trail: Trail
) -> tuple[tuple[float, bool] | None, tuple[float, bool] | None]:
    """The narrowest bounds of one value, and whether they are excluded themselves; None where there
    is none. The upper one is negated, so that both ends can be looked at alike."""
    lows = [_bound(keywords, "minimum", "exclusiveMinimum", trail) for keywords in schemas]
    highs = [_bound(keywords, "maximum", "exclusiveMaximum", trail) for keywords in schemas]
    low = max([(bound, excluded) for bound, excluded in lows if bound is not None], default=None)
    high = max([(-bound, excluded) for bound, excluded in highs if bound is not None], default=None)
    return low, high


def check_multiple(keywords: Mapping[str, Json], trail: Trail) -> None:
    value = keywords["multipleOf"]
    assert isinstance(value, int | float)
    check_multiples([value], trail)


def check_multiples(values: Iterable[float], trail: Trail) -> int:
    """The common multiple of divisors that apply to one value together."""
    multiple = common_multiple(values)
    if multiple > MAX_MULTIPLE:
        detail = f": the common multiple is larger than {MAX_MULTIPLE}, without its decimal point"
        raise unenforceable(trail, "multipleOf", detail)
    return multiple


def check_total(multiples: Iterable[int], trail: Trail) -> None:
    """Of the different common multiples in a schema."""
    if sum(multiples) > _MAX_TOTAL:
        detail = f": all of them together come to more than {_MAX_TOTAL}"
        raise unenforceable(trail, "multipleOf", detail)


def common_multiple(values: Iterable[float]) -> int:
    """The least common multiple in units of the last decimal place: 12 for 0.3 and 0.4."""
    numbers = [decimal_parts(value) for value in values]
    last_place = min([0, *(exponent for _, exponent in numbers)])
    return math.lcm(*(digits * 10 ** (exponent - last_place) for digits, exponent in numbers))


def _bound(
    keywords: Mapping[str, Json], inclusive: str, exclusive: str, trail: Trail
) -> tuple[float | None, bool]:
    """The narrower of both, and whether it is itself excluded."""
    including = _exact(keywords, inclusive, trail)
    if isinstance(keywords.get(exclusive), bool):
        return including, bool(keywords[exclusive])
    excluding = _exact(keywords, exclusive, trail)
    if including is None or excluding is None:
        return (including, False) if excluding is None else (excluding, True)
    is_narrower = excluding >= including if inclusive == "minimum" else excluding <= including
    return (excluding, True) if is_narrower else (including, False)


def _exact(keywords: Mapping[str, Json], keyword: str, trail: Trail) -> float | None:
    value = keywords.get(keyword)
    if not isinstance(value, int | float):
        return None
    clips = value == _OF_INT64.get(keyword) and keywords.get("type") == "integer"
    if not clips:
        check_exact(value, keyword, trail)
    return value


def _is_read_exactly(value: float) -> bool:
    """The compiler multiplies or divides all digits by a power of ten, in 64-bit floats: that is
    exact where both are (Clinger, How to Read Floating Point Numbers Accurately, 1990)."""
    mantissa, _, exponent = msgspec.json.encode(value).decode().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = int(whole + fraction)
    power = int(exponent or 0) - len(fraction)
    return int(float(digits)) == digits and abs(power) <= _MAX_EXACT_POWER
