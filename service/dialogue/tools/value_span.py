"""Finds where one of several values ends in a growing text."""

from __future__ import annotations

import re

_IN_VALUE = re.compile(r'["{}\[\],)]')
_IN_STRING = re.compile(r'["\\]')


class ValueSpan:
    """Follows one value up to the comma or `closing` behind it, which belong to no value."""

    def __init__(self, *, closing: str = ")") -> None:
        self._closing = closing
        self._position = 0
        self._depth = 0
        self._in_string = False

    def end(self, text: str) -> int | None:
        """How many characters of `text` are the value; None if it has not ended.

        `text` is all of the value so far, and is longer each time.
        """
        while found := self._pattern.search(text, self._position):
            if found[0] == "\\" and found.end() == len(text):
                return None
            self._position = found.end() + (found[0] == "\\")
            if found[0] == '"':
                self._in_string = not self._in_string
            elif found[0] in (",", self._closing) and self._depth == 0:
                return found.start()
            elif found[0] in "{[":
                self._depth += 1
            elif found[0] in "}]":
                self._depth -= 1
        self._position = len(text)
        return None

    @property
    def _pattern(self) -> re.Pattern[str]:
        return _IN_STRING if self._in_string else _IN_VALUE
