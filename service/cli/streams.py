"""Standard input and output as texts: UTF-8 in pipes, and bytes that are no text."""

from __future__ import annotations

import io
import sys
from typing import TextIO

from service.cli.errors import CommandError


def speak_utf8() -> None:
    """What is piped in and out is UTF-8 on every platform and in every locale.

    From then on reading a pipe raises UnicodeDecodeError for what is none. At a terminal neither
    what is typed nor what is shown raises anything; `checked_text` tells of what was typed.
    """
    _set_up(sys.stdin, at_a_terminal="surrogateescape", in_a_pipe="strict")
    _set_up(sys.stdout, at_a_terminal="backslashreplace", in_a_pipe="backslashreplace")


def checked_text(text: str, what: str) -> str:
    """`text` as it is. Raises CommandError if it was read of bytes that are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CommandError(f"{what} holds bytes that are no text in UTF-8") from None
    return text


def piped_text() -> str | None:
    """All of standard input; None at a terminal, or where there is none.

    Raises CommandError for what is no text.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return None
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise CommandError("standard input holds bytes that are no text in UTF-8") from None


def _set_up(stream: TextIO | None, *, at_a_terminal: str, in_a_pipe: str) -> None:
    # There is none in a process without a console, and another kind where a program calls `main`.
    if not isinstance(stream, io.TextIOWrapper):
        return
    if stream.isatty():
        stream.reconfigure(errors=at_a_terminal)
    else:
        stream.reconfigure(encoding="utf-8", errors=in_a_pipe)
