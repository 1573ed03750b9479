"""What a Modelfile asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from service.modelfile.parameters import read_parameters
from service.modelfile.parser import Instruction, ModelfileError, parse
from service.modelfile.templates import check_template
from service.store.overrides import Overrides, Role, Turn

_ROLES: tuple[Role, ...] = get_args(Role)
_REFUSED = {
    "adapter": "adapters (LoRA) are not supported yet",
    "draft": "there are no draft models",
    "renderer": "prompts are rendered by templates",
    "parser": "answers are parsed as the template has it",
    "requires": "versions of Ollama are not Retort's",
}


@dataclass(frozen=True, slots=True)
class Modelfile:
    """`base` is what stands after FROM, in `base_line`: a model, a file or a folder."""

    base: str
    base_line: int
    overrides: Overrides


def read_modelfile(text: str) -> Modelfile:
    """Raises ModelfileError for what is malformed, and for what cannot be honoured, by name."""
    instructions = parse(text)
    for each in instructions:
        if each.command in _REFUSED:
            raise ModelfileError(
                each.line, f"{each.command.upper()} cannot be honoured: {_REFUSED[each.command]}"
            )
    base = _base(instructions)
    overrides = Overrides(
        parameters=read_parameters(_of(instructions, "parameter")),
        system=_last(instructions, "system"),
        template=_template(instructions),
        messages=tuple(_turn(each) for each in _of(instructions, "message")),
        licenses=tuple(each.argument for each in _of(instructions, "license")),
    )
    return Modelfile(base.argument.strip(), base.line, overrides)


def _base(instructions: Sequence[Instruction]) -> Instruction:
    found = list(_of(instructions, "from"))
    if not found:
        raise ModelfileError(1, "there is no FROM, which says what the model is made from")
    if len(found) > 1:
        raise ModelfileError(found[1].line, "there is more than one FROM")
    return found[0]


def _template(instructions: Sequence[Instruction]) -> str | None:
    for each in _of(instructions, "template"):
        try:
            check_template(each.argument)
        except ValueError as error:
            raise ModelfileError(each.line, f"TEMPLATE cannot be used: {error}") from None
    return _last(instructions, "template")


def _turn(instruction: Instruction) -> Turn:
    role, separator, content = instruction.argument.partition(" ")
    for known in _ROLES:
        if role.lower() == known and separator:
            return Turn(known, content)
    roles = ", ".join(_ROLES)
    raise ModelfileError(instruction.line, f"MESSAGE needs a role ({roles}) and a text")


def _of(instructions: Sequence[Instruction], command: str) -> Iterable[Instruction]:
    return (each for each in instructions if each.command == command)


def _last(instructions: Sequence[Instruction], command: str) -> str | None:
    """Of several the last one counts, as with Ollama."""
    return next((each.argument for each in reversed(instructions) if each.command == command), None)
