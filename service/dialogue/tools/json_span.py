"""Finds where a JSON value ends in a growing text."""

from __future__ import annotations

import re

_IN_VALUE = re.compile(r'["{}\[\]]')
_IN_STRING = re.compile(r'["\\]')


class JsonSpan:
    """Follows one object or array, to its last bracket. What lies between is not looked at."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def end(self, text: str) -> int | None:
        """How many characters of `text`, which goes on with the value, still belong to it.

        None if all do, and the value has not ended.
        """
        position = 1 if self._is_escaped and text else 0
        self._is_escaped = self._is_escaped and not text
        while found := (_IN_STRING if self._in_string else _IN_VALUE).search(text, position):
            position = found.end()
            if found[0] == "\\":
                self._is_escaped = position == len(text)
                position += 1
            elif self._advance(found[0]):
                return position
        return None

    def _advance(self, char: str) -> bool:
        """Whether `char` ended the value."""
        if char == '"':
            self._in_string = not self._in_string
            return False
        self._depth += 1 if char in "{[" else -1
        return self._depth == 0
