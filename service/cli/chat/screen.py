"""An answer on its way to the terminal: words are not broken, thoughts stand apart."""

from __future__ import annotations

import shutil
import sys
from typing import TextIO

_GREY = "\x1b[90m"
_PLAIN = "\x1b[0m"
_NARROWEST = 20


class Screen:
    """Shows one answer on `stream`, which is a terminal if `wraps`."""

    def __init__(self, stream: TextIO, *, wraps: bool, hides_thinking: bool) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        width = shutil.get_terminal_size().columns if wraps and self._is_terminal else 0
        self._wrapper = Wrapper(width if width >= _NARROWEST else 0)
        self._hides_thinking = hides_thinking
        self._thinking = False

    @classmethod
    def on_stdout(cls, *, wraps: bool, hides_thinking: bool) -> Screen:
        return cls(sys.stdout, wraps=wraps, hides_thinking=hides_thinking)

    def think(self, text: str) -> None:
        if not text or self._hides_thinking:
            return
        if not self._thinking:
            self._thinking = True
            self._write(f"{self._grey}Thinking...\n")
        self._write(self._wrapper.wrapped(text))

    def say(self, text: str) -> None:
        if not text:
            return
        self.end_thinking()
        self._write(self._wrapper.wrapped(text))

    def end_thinking(self) -> None:
        if self._thinking:
            self._thinking = False
            self._write(f"{self._wrapper.rest()}\n...done thinking.{self._plain}\n\n")
            self._wrapper.start_line()

    def end(self) -> None:
        """Ends the answer, and the line it stands on."""
        self.end_thinking()
        self._write(f"{self._wrapper.rest()}\n")

    @property
    def _grey(self) -> str:
        return _GREY if self._is_terminal else ""

    @property
    def _plain(self) -> str:
        return _PLAIN if self._is_terminal else ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Wrapper:
    """Breaks lines between words, as they come in pieces; of width 0 it changes nothing.

    A word is held back until its end has come.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._word = ""

    def wrapped(self, text: str) -> str:
        return "".join(map(self._next, text)) if self._width else text

    def rest(self) -> str:
        """The word that was held back."""
        return self._placed()

    def start_line(self) -> None:
        """What follows stands at the beginning of a line."""
        self._column = 0

    def _next(self, character: str) -> str:
        if not character.isspace():
            self._word += character
            # A word longer than a line is broken as the terminal does it.
            return self._placed() if len(self._word) >= self._width else ""
        placed = self._placed()
        if character == "\n":
            self._column = 0
            return placed + character
        self._column += 1
        return placed + (character if self._column < self._width else "")

    def _placed(self) -> str:
        word, self._word = self._word, ""
        breaks = self._width and self._column and self._column + len(word) >= self._width
        self._column = (0 if breaks else self._column) + len(word)
        return f"\n{word}" if breaks and word else word
