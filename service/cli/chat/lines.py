"""What is typed: lines, texts of several lines, and what was typed before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

from service.cli.chat.session import Session
from service.cli.streams import checked_text
from service.store.locations import data_folder

_QUOTES = '"""'
_PROMPT = ">>> "
_MORE = "... "
_WHAT = "what was typed"
_LONGEST_HISTORY = 1000


class EndOfInput(Exception):
    """Ctrl-D, or the end of a file."""


def read_message(prompt: str = _PROMPT) -> str:
    """The next message: a line, or what stands between two times three quotes.

    Raises EndOfInput, CommandError for bytes that are no text, and KeyboardInterrupt for Ctrl-C,
    which gives up the message.
    """
    line = _line(prompt)
    if line.lstrip().startswith(_QUOTES):
        line = _between_quotes(line.lstrip().removeprefix(_QUOTES))
    return checked_text(line, _WHAT)


def rest_of_text(begun: str) -> str:
    """`begun` out of its quotes, if it has any: three of them go on over lines.

    Raises as `read_message` does.
    """
    if begun.startswith(_QUOTES):
        return checked_text(_between_quotes(begun.removeprefix(_QUOTES)), _WHAT)
    if len(begun) >= 2 and begun[0] == begun[-1] == '"':
        return begun[1:-1]
    return begun


def _between_quotes(begun: str) -> str:
    lines = [begun]
    while _QUOTES not in lines[-1]:
        lines.append(_line(_MORE))
    lines[-1] = lines[-1].partition(_QUOTES)[0]
    return "\n".join(lines).strip("\n")


def _line(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:
        raise EndOfInput from None


@contextmanager
def remembered_lines(session: Session) -> Iterator[None]:
    """Where there is readline, arrows bring back what was typed, in earlier sessions too."""
    readline = _readline()
    if readline is None:
        yield
        return
    path = data_folder(os.environ) / "retort" / "history"
    # Without its file a history begins anew.
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_LONGEST_HISTORY)
    keep_history(session.keeps_history)
    try:
        yield
    finally:
        _save(readline, path)


def keep_history(keeps: bool) -> None:
    """Whether what is typed from now on is remembered."""
    readline = _readline()
    if readline is not None:
        readline.set_auto_history(keeps)


def _save(readline: ModuleType, path: Path) -> None:
    # A disk that cannot be written to is no reason to end a chat with an error.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        readline.write_history_file(path)


def _readline() -> ModuleType | None:
    try:
        return import_module("readline")
    except ImportError:
        return None
