"""Keywords as they are enforced, where jsonschema's own checks of them are of another meaning.

Patterns are matched by the engine that enforces them, and numbers compared as they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from service.constraints.drafts import Draft
from service.constraints.expressions import Expressions
from service.constraints.json_text import DecimalFloat, decimal_parts
from service.constraints.json_types import Json

_Errors: TypeAlias = Iterator[ValidationError]


class _Validator(Protocol):
    def descend(
        self, instance: Json, schema: Json, path: str | None = None, schema_path: str | None = None
    ) -> _Errors: ...


_follow: Callable[..., _Errors] = Draft202012Validator.VALIDATORS["$ref"]


def exact_keywords(draft: Draft) -> Mapping[str, Callable[..., _Errors]]:
    """By name, as jsonschema calls them. They are for one validation: they keep patterns."""
    patterns = _Patterns(Expressions())
    references = _References()
    keywords: dict[str, Callable[..., _Errors]] = {
        "$ref": references.ref,
        "additionalProperties": patterns.additional_properties,
        "multipleOf": _multiple_of,
        "pattern": patterns.pattern,
        "patternProperties": patterns.pattern_properties,
    }
    if not draft.has_boolean_bounds:
        keywords |= {"exclusiveMaximum": _below, "exclusiveMinimum": _above}
    return keywords


class _References:
    """Follows each reference once for each value: a schema may refer to another one twice, that
    to the next one twice, and so on, which followed each time takes for ever."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, int], Sequence[ValidationError]] = {}
        """By the reference and the identity of the value, which the validation keeps alive."""

    def ref(self, validator: _Validator, reference: str, value: Json, schema: Json) -> _Errors:
        key = (reference, id(value))
        if key not in self._errors:
            self._errors[key] = [*islice(_follow(validator, reference, value, schema), 1)]
        yield from self._errors[key]


class _Patterns:
    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def pattern(self, _validator: _Validator, pattern: str, value: Json, _schema: Json) -> _Errors:
        if isinstance(value, str) and not self._expressions.is_match(pattern, value):
            yield ValidationError(f"{value!r} does not match {pattern!r}")

    def pattern_properties(
        self, validator: _Validator, patterns: Mapping[str, Json], value: Json, _schema: Json
    ) -> _Errors:
        if not isinstance(value, dict):
            return
        for pattern, schema in patterns.items():
            for name, below in value.items():
                if self._expressions.is_match(pattern, name):
                    yield from validator.descend(below, schema, path=name, schema_path=pattern)

    def additional_properties(
        self, validator: _Validator, additional: Json, value: Json, schema: Mapping[str, Json]
    ) -> _Errors:
        if not isinstance(value, dict):
            return
        named, patterns = schema.get("properties"), schema.get("patternProperties")
        for name, below in value.items():
            if isinstance(named, dict) and name in named:
                continue
            if isinstance(patterns, dict) and self._is_any(patterns, name):
                continue
            yield from validator.descend(below, additional, path=name)

    def _is_any(self, patterns: Mapping[str, Json], name: str) -> bool:
        return any(self._expressions.is_match(pattern, name) for pattern in patterns)


def _multiple_of(_validator: _Validator, divisor: float, value: Json, _schema: Json) -> _Errors:
    """In decimal, as numbers are written: 77.02 is a multiple of 0.01."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and not _is_multiple(value, divisor)
    ):
        yield ValidationError(f"{value!r} is not a multiple of {divisor!r}")


def _is_multiple(number: float, divisor: float) -> bool:
    unit, unit_exponent = decimal_parts(divisor)
    if isinstance(number, int):
        # Its digits are not written out: there can be more of them than Python likes to write.
        places: int = max(unit_exponent, 0)
        rest: int = number * 10 ** (places - unit_exponent) % (unit * 10**places)
        return rest == 0
    digits, exponent = decimal_parts(number)
    places = exponent - unit_exponent
    # The digits of floats do not end in zeros, so that what is of a smaller place is no multiple.
    return digits == 0 or (places >= 0 and (digits * pow(10, places, unit)) % unit == 0)


def _below(_validator: _Validator, bound: float, value: Json, _schema: Json) -> _Errors:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and _compare(value, bound) >= 0
    ):
        yield ValidationError(f"{value!r} is not below {bound!r}")


def _above(_validator: _Validator, bound: float, value: Json, _schema: Json) -> _Errors:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and _compare(value, bound) <= 0
    ):
        yield ValidationError(f"{value!r} is not above {bound!r}")


def _compare(number: float, bound: float) -> int:
    """Below 0, 0 or above 0, also where both are the same float but were written differently."""
    if number != bound or not isinstance(number, DecimalFloat):
        return (number > bound) - (number < bound)
    (digits, exponent), (other, other_exponent) = decimal_parts(number), decimal_parts(bound)
    place = min(exponent, other_exponent)
    difference: int = digits * 10 ** (exponent - place) - other * 10 ** (other_exponent - place)
    return (difference > 0) - (difference < 0)
