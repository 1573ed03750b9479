"""The text of a Modelfile to its instructions, as Ollama reads it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

QUOTES = '"""'
"""What a text of any form can stand between."""

_COMMANDS = {
    *("from", "parameter", "template", "system", "message", "license"),
    *("adapter", "requires", "draft", "renderer", "parser"),
}
_NAMED = {"parameter", "message"}
"""A parameter's name and a message's role come before the value, and are never quoted."""

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)(?=\s|\Z)")


class ModelfileError(ValueError):
    """What is wrong, in one line that begins with the number of the line it is about."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Instruction:
    """`command` is in lower case, `argument` what follows, out of its quotes; `line` counts from
    one."""

    command: str
    argument: str
    line: int


def parse(text: str) -> list[Instruction]:
    """Raises ModelfileError for what is no instruction, or one without an argument."""
    return list(_instructions(lines_of(text.removeprefix("\ufeff"))))


def lines_of(text: str) -> list[str]:
    """With their ends, of which there are three: str.splitlines knows further ones, which are
    characters like others in a prompt."""
    return list(io.StringIO(text, newline=""))


def _instructions(lines: list[str]) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = number
        command, rest = _begun(line, number)
        name, value = _named(rest) if command in _NAMED else ("", rest)
        quotes = _opening(value)
        if quotes:
            value, number = _quoted(lines, value.removeprefix(quotes), number, quotes)
        else:
            value = value.strip()
        # A text may be empty if it says so; a model's name may not.
        if not f"{name}{value}".strip() and (not quotes or command == "from"):
            raise ModelfileError(first, f"{command.upper()} lacks its argument")
        yield Instruction(command, f"{name}{value}", first)


def _begun(line: str, number: int) -> tuple[str, str]:
    """The command, and what follows it in its line."""
    found = _INSTRUCTION.match(line)
    command = found[1].lower() if found else ""
    if found is None or command not in _COMMANDS:
        shown = line.strip()[:60]
        raise ModelfileError(number, f"{shown!r} does not begin with an instruction")
    return command, line[found.end() :].lstrip()


def _named(rest: str) -> tuple[str, str]:
    """The name, with a space where a value follows, and the value."""
    name, value = [*rest.split(None, 1), "", ""][:2]
    return (f"{name} " if value else name), value


def _opening(value: str) -> str:
    return next((quotes for quotes in (QUOTES, '"') if value.startswith(quotes)), "")


def _quoted(lines: list[str], begun: str, number: int, quotes: str) -> tuple[str, int]:
    """The text up to the same quotes at the end of a line, and the number of lines read by then.

    Quotes anywhere else belong to the text, and so does white space within them.
    """
    first, parts = number, [begun]
    while not parts[-1].rstrip().endswith(quotes):
        if number == len(lines):
            raise ModelfileError(first, f"{quotes} is never closed: no line ends in {quotes}")
        parts.append(lines[number])
        number += 1
    last = parts.pop().rstrip()
    return "".join([*parts, last.removesuffix(quotes)]), number
