"""Checks of grammars in Lark's syntax, as llguidance has it: how large, how deep, how entangled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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


def check_names_no_end(lark: str, ends: Mapping[int, str], *, param: str) -> None:
    """Raises UnsupportedSchema for a grammar that names a token which ends an answer: the answer
    would end there, whatever has yet to come. `ends` are their spellings, by their ids."""
    for token in _tokens(lark, param):
        if token.text.startswith("<") and any(
            token.text == spelling or _is_among(token_id, token.text)
            for token_id, spelling in ends.items()
        ):
            shown = shortened(token.text)
            raise UnsupportedSchema(
                f"The grammar names a token that ends answers: {shown!r}.", param=param
            )


def _is_among(token_id: int, named: str) -> bool:
    """Whether what is written as <[1,5-9]>, <[^1,5-9]> or <[*]> has the token."""
    if not named.startswith("<["):
        return False
    listed = named[2:-2].removeprefix("^")
    is_listed = listed == "*"
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", listed):
        is_listed |= int(first) <= token_id <= int(last or first)
    return is_listed != named.startswith("<[^")


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
        elif kind == "other" or match.group().startswith("<"):
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
