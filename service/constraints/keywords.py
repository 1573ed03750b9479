"""Checks of one schema's own keywords: each has a shape, and means what can be enforced."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.constraints.drafts import Draft
from service.constraints.json_types import Json
from service.constraints.lengths import (
    check_lengths,
    check_named,
    check_num_alternatives,
    check_num_properties,
)
from service.constraints.literals import check_literals
from service.constraints.numbers import check_bounds, check_multiple
from service.constraints.patterns import pattern_problem
from service.constraints.problem import SchemaProblem, Trail, shortened, unenforceable
from service.constraints.shapes import BOOLEAN, ITEMS, SHAPES, admits

FORMATS = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    }
)
"""Of strings. A format of other types is an annotation, whatever its name."""

OF_VALUES = frozenset({"const", "default", "enum", "examples"})
"""Keywords below which there are no schemas."""

OF_NAMES = frozenset(
    {
        *("$defs", "definitions", "dependencies", "dependentSchemas"),
        *("patternProperties", "properties"),
    }
)
"""Keywords below which names are no keywords."""

IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "const", "enum", "oneOf"})
"""Keywords around which the compiler splits a schema, reading what is before and after apart."""


def check_keywords(keywords: Mapping[str, Json], trail: Trail, draft: Draft) -> None:
    """Raises SchemaProblem for the first keyword that cannot be enforced.

    A word that the draft does not know is an annotation, and says nothing of values.
    """
    if trail is not None and isinstance(keywords.get(draft.id_keyword), str):
        # References below it would be relative to it, for the compiler and validators.
        raise unenforceable(trail, draft.id_keyword, " below the root")
    for keyword, value in keywords.items():
        if keyword in draft.unenforceable and not is_idle(keyword, value):
            raise unenforceable(trail, keyword)
        shape = SHAPES.get(keyword)
        if shape is not None and not shape.is_met(value):
            _check_shape(keyword, value, trail, draft)
    for keyword in keywords:
        check = _CHECKS.get(keyword)
        if check is not None:
            check(keywords, trail)
    if not draft.has_prefix_items or "additionalItems" in keywords:
        _check_older_words(keywords, trail, draft)


def is_idle(keyword: str, value: Json) -> bool:
    """Whether a keyword that the compiler does not know says nothing with that value."""
    return keyword == "uniqueItems" and value is False


def _check_shape(keyword: str, value: Json, trail: Trail, draft: Draft) -> None:
    """As this draft has it, where the latest one has it otherwise."""
    shape = SHAPES[keyword]
    if draft.has_boolean_bounds and keyword.startswith("exclusive"):
        shape = BOOLEAN
    elif keyword == "items" and not draft.has_prefix_items:
        shape = ITEMS
    elif keyword == "prefixItems" and not draft.has_prefix_items:
        return
    if not shape.is_met(value):
        raise SchemaProblem(trail, keyword, shape.description)


def _check_older_words(keywords: Mapping[str, Json], trail: Trail, draft: Draft) -> None:
    """What the compiler reads in pairs that it may split, or in drafts that do not have it."""
    is_split = not IN_PLACE.isdisjoint(keywords)
    if "additionalItems" in keywords and (is_split or draft.has_prefix_items):
        raise unenforceable(trail, "additionalItems", " here; 'prefixItems' with 'items' can")
    if draft.has_boolean_bounds:
        for keyword in ("exclusiveMinimum", "exclusiveMaximum"):
            value = keywords.get(keyword, False)
            if not isinstance(value, bool):
                raise SchemaProblem(trail, keyword, BOOLEAN.description)
            if value and is_split:
                raise unenforceable(trail, keyword, " beside keywords that combine schemas")


def _check_format(keywords: Mapping[str, Json], trail: Trail) -> None:
    name = keywords["format"]
    if name not in FORMATS and admits(keywords, "string"):
        raise unenforceable(trail, "format", f": the format {shortened(str(name))!r} is not known")


def _check_pattern(keywords: Mapping[str, Json], trail: Trail) -> None:
    problem = pattern_problem(str(keywords["pattern"]))
    if problem is not None:
        raise unenforceable(trail, "pattern", f": {problem}")


def _check_pattern_names(keywords: Mapping[str, Json], trail: Trail) -> None:
    patterns = keywords["patternProperties"]
    assert isinstance(patterns, dict)
    for pattern in patterns:
        problem = pattern_problem(pattern)
        if problem is not None:
            raise unenforceable(trail, "patternProperties", f": {problem}")


def _check_draft(keywords: Mapping[str, Json], trail: Trail) -> None:
    if trail is not None and "$schema" in keywords:
        raise unenforceable(trail, "$schema", " below the root")


_CHECKS: Mapping[str, Callable[[Mapping[str, Json], Trail], None]] = {
    "$schema": _check_draft,
    "anyOf": check_num_alternatives,
    "const": check_literals,
    "enum": check_literals,
    "exclusiveMaximum": check_bounds,
    "exclusiveMinimum": check_bounds,
    "format": _check_format,
    "maxItems": check_lengths,
    "minItems": check_lengths,
    "maxLength": check_lengths,
    "maxProperties": check_num_properties,
    "maximum": check_bounds,
    "minProperties": check_num_properties,
    "minimum": check_bounds,
    "multipleOf": check_multiple,
    "oneOf": check_num_alternatives,
    "pattern": _check_pattern,
    "patternProperties": _check_pattern_names,
    "properties": check_named,
}
