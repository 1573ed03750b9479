"""Checks of grammars in Lark's syntax, as llguidance has it: how large, how deep, how entangled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.constraints.guard_schema import check_schema
from service.constraints.json_types import Json
from service.constraints.problem import shortened
from service.errors import UnsupportedSchema

MAX_BYTES = 64 << 10
MAX_DEPTH = 96
MAX_RULES = 1000
"""A chain of rules as long as all of them still fits a stack of 8 MB."""
MAX_INTERSECTIONS = 2
"""Of expressions; whether dozens of them have a text in common can take minutes to find out."""

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+ | (?:\#|//)[^\n]*)
    | (?P<text>"(?:\\.|[^"\\\n])*"i? | /(?:\\.|[^/\\])+/[imslux]* | <[^<>\s]+>)
    | (?P<embedded>%(?:json|regex|llguidance)\b)
    | (?P<unclosed>["/])
    | (?P<other>.)
    """,
    re.VERBOSE,
)
"""Each alternative takes a time linear in its length, and none is tried twice at one place."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    value: Json = None
    """Of the JSON that a word like %json stands before."""


def check_grammar(lark: str, *, param: str) -> None:
    """Raises UnsupportedSchema, for a schema in it as check_schema does."""
    if len(lark.encode(errors="replace")) > MAX_BYTES:
        raise UnsupportedSchema(f"The grammar is larger than {MAX_BYTES >> 10} KiB.", param=param)
    depth = num_rules = num_intersections = 0
    for token in _tokens(lark, param):
        if token.text == "%json":
            check_schema(token.value, param=param)
        depth += (token.text in "([{") - (token.text in ")]}")
        num_rules += token.text == ":"
        num_intersections += token.text == "&"
        if depth > MAX_DEPTH:
            raise UnsupportedSchema(f"The grammar is nested over {MAX_DEPTH} deep.", param=param)
    if num_rules > MAX_RULES:
        raise UnsupportedSchema(f"The grammar has more than {MAX_RULES} rules.", param=param)
    if num_intersections > MAX_INTERSECTIONS:
        reason = f"The grammar has more than {MAX_INTERSECTIONS} intersections, '&'."
        raise UnsupportedSchema(reason, param=param)


def _tokens(lark: str, param: str) -> Iterator[_Token]:
    """All but spaces, comments and texts, which hold no structure."""
    position = 0
    while position < len(lark):
        match = _TOKEN.match(lark, position)
        assert match is not None, "the last alternatives are any character"
        position, kind = match.end(), match.lastgroup
        if kind == "unclosed":
            shown = shortened(lark[match.start() :])
            raise UnsupportedSchema(f"The grammar has an unclosed text: {shown!r}.", param=param)
        if kind == "embedded":
            value, position = _json_at(lark, position, param)
            yield _Token(match.group(), value)
        elif kind == "other":
            yield _Token(match.group())


def _json_at(lark: str, position: int, param: str) -> tuple[Json, int]:
    while lark[position : position + 1].isspace():
        position += 1
    try:
        value, end = json.JSONDecoder().raw_decode(lark, position)
    except (ValueError, RecursionError):
        shown = shortened(lark[position:])
        raise UnsupportedSchema(f"The grammar has no JSON at {shown!r}.", param=param) from None
    return value, end
