"""A Go template cut into texts and actions, and an action into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

_ACTION = re.compile(
    r"""\{\{(?P<before>-(?=\s))?(?P<inside>(?:"(?:\\.|[^"\\\n])*"|`[^`]*`|[^"`}]|\}(?!\}))*?)"""
    r"""(?P<after>(?<=\s)-)?\}\}"""
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?P<number>-?\d+)"""
    r"""|(?P<field>(?:\$\w*)?(?:\.\w+)+|\$\w*|\.)|(?P<word>[A-Za-z_]\w*)"""
    r"""|(?P<sign>:=|[()=|,]))"""
)

Kind = Literal["string", "number", "field", "word", "sign"]
_KINDS: tuple[Kind, ...] = ("string", "number", "field", "word", "sign")


class GoTemplateError(ValueError):
    """What of a template has no counterpart here, in one line."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    tokens: tuple[Token, ...]

    @property
    def keyword(self) -> str:
        """`if`, `range` and the like; "" for what is written out."""
        first = self.tokens[0]
        return first.text if first.kind == "word" and first.text in _KEYWORDS else ""


Part: TypeAlias = Text | Action

_KEYWORDS = frozenset(
    ("if", "else", "end", "range", "with", "define", "block", "template", "break", "continue")
)


def split(source: str) -> Iterator[Part]:
    """The parts in order. Raises GoTemplateError for what is no template."""
    position, trims = 0, False
    for found in _ACTION.finditer(source):
        text = source[position : found.start()]
        yield from _text(text, left=trims, right=found["before"] is not None)
        inside = found["inside"].strip()
        if not (inside.startswith("/*") and inside.endswith("*/")):
            yield Action(_tokens(inside))
        position, trims = found.end(), found["after"] is not None
    yield from _text(source[position:], left=trims, right=False)


def _text(text: str, *, left: bool, right: bool) -> Iterator[Text]:
    if "{{" in text:
        raise GoTemplateError("an action is not closed")
    text = text.lstrip() if left else text
    text = text.rstrip() if right else text
    if text:
        yield Text(text)


def _tokens(inside: str) -> tuple[Token, ...]:
    tokens, position = [], 0
    while inside[position:].strip():
        found = _TOKEN.match(inside, position)
        if found is None:
            raise GoTemplateError(f"{inside[position:].strip()[:40]!r} is not understood")
        kind = next(kind for kind in _KINDS if found[kind] is not None)
        tokens.append(Token(kind, found[kind]))
        position = found.end()
    if not tokens:
        raise GoTemplateError("an action is empty")
    return tuple(tokens)
