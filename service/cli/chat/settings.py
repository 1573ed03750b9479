"""`/set`: what holds for the rest of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

import msgspec

from service.cli.chat.lines import keep_history, rest_of_text
from service.cli.chat.session import Session
from service.cli.client.asking import Level, Think
from service.cli.errors import CommandError
from service.modelfile.parameters import read_parameters
from service.modelfile.parser import Instruction, ModelfileError

_SWITCHES: Mapping[str, tuple[str, bool, str]] = {
    "wordwrap": ("wraps", True, "Set 'wordwrap' mode."),
    "nowordwrap": ("wraps", False, "Set 'nowordwrap' mode."),
    "verbose": ("verbose", True, "Set 'verbose' mode."),
    "quiet": ("verbose", False, "Set 'quiet' mode."),
}


def set_command(session: Session, text: str) -> None:
    """Raises CommandError for what cannot be set so."""
    name, _, value = text.partition(" ")
    if name in _SWITCHES:
        field, to, told = _SWITCHES[name]
        setattr(session, field, to)
        print(told)
        return
    setter = _SETTERS.get(name)
    if setter is None:
        raise CommandError(f"there is nothing called {name[:40]!r} to set; /? set lists what is")
    setter(session, value.strip())


def read_think(text: str) -> Think:
    """Raises CommandError for what is no way of thinking."""
    if text in ("true", "false"):
        return text == "true"
    try:
        level: Level = msgspec.convert(text, Level)
    except (msgspec.ValidationError, UnicodeEncodeError):
        levels = ", ".join(get_args(Level))
        raise CommandError(f"a model thinks true, false, {levels}, not {text[:40]!r}") from None
    return level


def read_form(text: str) -> str:
    """ "json" or a schema, as it is. Raises CommandError for anything else."""
    if text == "json":
        return text
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        schema = None
    if not isinstance(schema, dict):
        raise CommandError(f"a format is json, or a JSON schema in braces, not {text[:40]!r}")
    return text


def _set_parameter(session: Session, text: str) -> None:
    name, _, value = text.partition(" ")
    if not value.strip():
        raise CommandError("usage: /set parameter NAME VALUE")
    # Ollama takes several stop strings here, separated by spaces.
    values = value.split() if name == "stop" else [value.strip()]
    instructions = [Instruction("parameter", f"{name} {each}", 1) for each in values]
    try:
        given = read_parameters(instructions)
    except ModelfileError as error:
        raise CommandError(str(error).partition(": ")[2]) from None
    session.parameters = given.over(session.parameters)
    print(f"Set parameter '{name}' to '{value.strip()}'")


def _set_system(session: Session, text: str) -> None:
    said = rest_of_text(text)
    if not said.strip():
        raise CommandError("usage: /set system TEXT")
    session.system = said
    print("Set system message.")


def _set_form(session: Session, text: str) -> None:
    session.form = read_form(text)
    print(f"Set format to '{text}' mode.")


def _set_no_form(session: Session, _text: str) -> None:
    session.form = None
    print("Disabled format.")


def _set_think(session: Session, text: str) -> None:
    session.think = read_think(text or "true")
    print("Set 'think' mode.")


def _set_no_think(session: Session, _text: str) -> None:
    session.think = False
    print("Set 'nothink' mode.")


def _set_history(session: Session, _text: str) -> None:
    session.keeps_history = True
    keep_history(True)
    print("Set 'history' mode.")


def _set_no_history(session: Session, _text: str) -> None:
    session.keeps_history = False
    keep_history(False)
    print("Set 'nohistory' mode.")


_SETTERS: Mapping[str, Callable[[Session, str], None]] = {
    "parameter": _set_parameter,
    "system": _set_system,
    "format": _set_form,
    "noformat": _set_no_form,
    "think": _set_think,
    "nothink": _set_no_think,
    "history": _set_history,
    "nohistory": _set_no_history,
}
