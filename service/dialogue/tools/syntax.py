"""The parts that a format's calls are written with, from which a grammar can be made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

WHITE_SPACE = " \n\r\t"
"""What may stand before calls."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Exactly this text. Spellings of the model's control tokens in it are those tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Exactly this text, whose characters are never control tokens, whatever they spell."""

    text: str


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value that is valid under the schema whose JSON this is."""

    schema: str


@dataclass(frozen=True, slots=True)
class TextBefore:
    """Any text, up to `end` and with it, which occurs in it only there."""

    end: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """These parts, one after another."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these parts."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """The part, or nothing."""

    part: Part


@dataclass(frozen=True, slots=True)
class Repeated:
    """The part any number of times, none included."""

    part: Part


Part: TypeAlias = (
    Literal | Verbatim | JsonText | TextBefore | Sequence | Choice | Optional | Repeated
)


def sequence(*parts: Part) -> Sequence:
    """These parts, one after another."""
    return Sequence(parts)
