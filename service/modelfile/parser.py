"""The text of a Modelfile to its instructions, as Ollama reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTES = '"""'
_COMMANDS = {
    *("from", "parameter", "template", "system", "message", "license"),
    *("adapter", "requires", "draft", "renderer", "parser"),
}
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)(?:[ \t]+|$)")


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
    return list(_instructions(text.removeprefix("\ufeff").splitlines(keepends=True)))


def _instructions(lines: list[str]) -> Iterator[Instruction]:
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _INSTRUCTION.match(line)
        command = found[1].lower() if found else ""
        if found is None or command not in _COMMANDS:
            shown = line.strip()[:60]
            raise ModelfileError(number, f"{shown!r} does not begin with an instruction")
        first = number
        argument = line[found.end() :].strip()
        prefix, quotes, rest = _opened(command, argument)
        if quotes:
            # What follows the quotes, up to the end of the line, belongs to the text.
            block = line[line.index(_QUOTES, found.end()) + len(_QUOTES) :]
            content, number = _block(lines, block, number)
            argument = f"{prefix}{content}"
        else:
            argument = f"{prefix}{_unquoted(rest)}"
        if not argument.strip():
            raise ModelfileError(first, f"{command.upper()} lacks its argument")
        yield Instruction(command, argument, first)


def _opened(command: str, argument: str) -> tuple[str, bool, str]:
    """What stands before a quoted part, whether three quotes open it, and the part.

    A parameter's name and a message's role are never quoted.
    """
    if command not in ("parameter", "message"):
        return "", argument.startswith(_QUOTES), argument
    name, value = [*argument.split(None, 1), "", ""][:2]
    return (f"{name} " if value else name), value.startswith(_QUOTES), value


def _block(lines: list[str], begun: str, number: int) -> tuple[str, int]:
    """The text up to the next three quotes, and the number of lines read by then."""
    first, parts = number, [begun]
    while _QUOTES not in parts[-1]:
        if number == len(lines):
            raise ModelfileError(first, f"the {_QUOTES} that begin here are never closed")
        parts.append(lines[number])
        number += 1
    last, _, after = parts.pop().partition(_QUOTES)
    if after.strip():
        raise ModelfileError(number, f"{after.strip()[:60]!r} follows the closing {_QUOTES}")
    return "".join([*parts, last]), number


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text
