"""How long a string, an array or an object may be, and how many alternatives there may be."""

from __future__ import annotations

from collections.abc import Mapping

from service.constraints.json_types import Json
from service.constraints.problem import SchemaProblem, Trail, unenforceable

_ANY_NUMBER = 1 << 64

MAX_SCHEMAS = 3072
"""In one schema; 3,700 took 0.4 s from the guard to the first mask, and 2 s beside a stream."""

MAX_PROPERTIES = 1500
"""Of one object; so many take 0.2 s to compile."""

MAX_ALTERNATIVES = 1500
"""Of one `anyOf` or `oneOf`; each is followed with every token until it is excluded."""

MAX_LEAST_ITEMS = 10_000
"""Where an array's items leave no choice, all that must be there are worked out at once."""


def check_lengths(keywords: Mapping[str, Json], trail: Trail) -> None:
    for least, most in (("minLength", "maxLength"), ("minItems", "maxItems")):
        if _count(keywords, least, 0) > _count(keywords, most, _ANY_NUMBER):
            raise SchemaProblem(trail, most, f"contradicts {least!r}")
    if _count(keywords, "minItems", 0) > MAX_LEAST_ITEMS:
        raise unenforceable(trail, "minItems", f": more than {MAX_LEAST_ITEMS} items")


def check_named(keywords: Mapping[str, Json], trail: Trail) -> None:
    """What is compiled for optional properties grows with the square of their number."""
    if len(_names(keywords, "properties")) > MAX_PROPERTIES:
        raise SchemaProblem(trail, "properties", f"names more than {MAX_PROPERTIES}")


def check_num_alternatives(keywords: Mapping[str, Json], trail: Trail) -> None:
    for keyword in ("anyOf", "oneOf"):
        options = keywords.get(keyword)
        if isinstance(options, list) and len(options) > MAX_ALTERNATIVES:
            raise SchemaProblem(trail, keyword, f"has more than {MAX_ALTERNATIVES} alternatives")


def check_num_properties(keywords: Mapping[str, Json], trail: Trail) -> None:
    """Of `minProperties` and `maxProperties`, which are counted over keys that are required.

    Beyond those the keys of an open object may repeat each other, so that two of them may be one;
    and of optional named ones no more than one can be counted.
    """
    required, names = _names(keywords, "required"), _names(keywords, "properties")
    least = _count(keywords, "minProperties", 0) - len(required)
    most = _count(keywords, "maxProperties", _ANY_NUMBER) - len(required)
    if most < max(least, 0):
        raise SchemaProblem(trail, "maxProperties", "contradicts how many there must be")
    if least > 1:
        raise unenforceable(trail, "minProperties", ": more than one key beyond the required")
    if names <= required or (least <= 0 and "maxProperties" not in keywords):
        return
    is_closed = keywords.get("additionalProperties") is False
    if not is_closed or "patternProperties" in keywords:
        keyword = "minProperties" if least > 0 else "maxProperties"
        raise unenforceable(trail, keyword, ": an open object with optional properties")
    if "maxProperties" in keywords and most > 1:
        raise unenforceable(trail, "maxProperties", ": several of the optional properties")


def _count(keywords: Mapping[str, Json], keyword: str, default: int) -> int:
    value = keywords.get(keyword, default)
    return value if isinstance(value, int) else default


def _names(keywords: Mapping[str, Json], keyword: str) -> set[str]:
    value = keywords.get(keyword)
    return set(map(str, value)) if isinstance(value, dict | list) else set()
