"""Writes grammars in Lark's syntax, as llguidance reads it, from the parts of calls."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from service.constraints.json_options import json_options
from service.constraints.spec import OutputKind, OutputSpec
from service.dialogue.tools.syntax import (
    WHITE_SPACE,
    Choice,
    JsonText,
    Literal,
    Optional,
    Part,
    Repeated,
    Sequence,
    TextBefore,
    Verbatim,
)

SPACE = "[" + "".join(f"\\x{ord(char):02X}" for char in WHITE_SPACE) + "]"
"""The regular expression of one character of what may stand before calls."""


class LarkWriter:
    """Gathers the rules of one grammar; its methods give expressions that refer to them."""

    def __init__(self, control_ids: Mapping[str, int]) -> None:
        """`control_ids` are the tokens that are no text, by their spellings."""
        self._control_ids = control_ids
        spellings = sorted(control_ids, key=len, reverse=True)
        self._control = re.compile("(" + ("|".join(map(re.escape, spellings)) or "(?!)") + ")")
        self._rules: dict[str, str] = {}
        self._text_ends: dict[str, None] = {}
        self._choices: dict[tuple[int, bool], tuple[Choice, str]] = {}
        """By the identity of the choice, which is kept alive: its parts can be shared by many."""

    def grammar(self, start: str) -> str:
        """The whole grammar, with `start` for its first rule."""
        rules = "".join(f"{name}: {body}\n" for body, name in self._rules.items())
        return f"start: {start}\n{rules}"

    @property
    def text_ends(self) -> tuple[str, ...]:
        """What ends the texts that parts describe."""
        return tuple(self._text_ends)

    def is_control(self, text: str) -> bool:
        """Whether `text` is the spelling of a token that is no text."""
        return text in self._control_ids

    def literal(self, text: str) -> str:
        """Exactly `text`, control tokens in it as tokens."""
        parts = [
            f"<[{self._control_ids[part]}]>" if index % 2 else quoted(part)
            for index, part in enumerate(self._control.split(text))
            if part
        ]
        return " ".join(parts)

    def text(self, but: str = "") -> str:
        """Any text, of which at least one character is there and no control token is one."""
        return self.terminal(r"/(.|\n)+/" + but)

    def terminal(self, body: str, *, is_lazy: bool = False) -> str:
        """A lexeme; a lazy one ends as soon as it can."""
        return self._rule(body, "lazy[lazy]" if is_lazy else "TEXT")

    def part(self, part: Part, *, after_space: bool = False) -> str:
        """What `part` describes; with `after_space` its first text may follow white space, which
        then belongs to the same lexeme."""
        match part:
            case Literal(text):
                spaced = after_space and text
                return self.terminal(f"/{SPACE}*/ {quoted(text)}") if spaced else self.literal(text)
            case Verbatim(text):
                return quoted(text)
            case JsonText(schema):
                return self.json(schema)
            case TextBefore(end) if self.is_control(end):
                spelled = rf" & ~/(.|\n)*{pattern(end)}(.|\n)*/"
                return f"{self.text(spelled)}? {self.literal(end)}"
            case TextBefore(end):
                self._text_ends[end] = None
                return self.terminal(rf"/(.|\n)*{pattern(end)}/", is_lazy=True)
            case Sequence(parts):
                return self._sequence(parts, after_space=after_space)
            case Choice():
                return self._choice(part, after_space=after_space)
            case Optional(inner):
                return f"({self.part(inner)})?"
            case Repeated(inner):
                return f"({self.part(inner)})*"

    def json(self, schema: str) -> str:
        """JSON that is valid under the schema whose JSON this is, and which the guard let pass."""
        return self.json_of(OutputSpec(OutputKind.JSON_SCHEMA, schema, param=""))

    def json_of(self, spec: OutputSpec) -> str:
        """The JSON that `spec` describes."""
        keywords = msgspec.json.decode(spec.source)
        keywords["x-guidance"] = json_options(whitespace=spec.whitespace)
        return self._rule("%json " + msgspec.json.encode(keywords).decode(), "json")

    def _choice(self, choice: Choice, *, after_space: bool) -> str:
        key = (id(choice), after_space)
        if key not in self._choices:
            options = [self.part(each, after_space=after_space) for each in choice.parts]
            self._choices[key] = choice, self._rule(" | ".join(options), "rule")
        return self._choices[key][1]

    def _sequence(self, parts: tuple[Part, ...], *, after_space: bool) -> str:
        written = []
        for part in parts:
            expression = self.part(part, after_space=after_space)
            if expression:
                written.append(expression)
                after_space = False
        return " ".join(written)

    def _rule(self, body: str, kind: str) -> str:
        """The name of the rule with this body; Lark tells lexemes by capitals."""
        kind, attribute, _ = kind.partition("[lazy]")
        existing = self._rules.get(body)
        if existing is None:
            existing = f"{kind}_{len(self._rules)}" + attribute
            self._rules[body] = existing
        return existing.partition("[")[0]


def quoted(text: str) -> str:
    """A string of Lark's."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def pattern(text: str) -> str:
    """A regular expression that matches `text` and nothing else."""
    return "".join(
        char if char.isalnum() or ord(char) > 127 else f"\\x{ord(char):02X}" for char in text
    )
