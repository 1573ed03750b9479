"""Keeps what users wrote from becoming control tokens."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from service.errors import RequestError
from service.text.segment import Segment

# Private-use planes 15 and 16: no white space, no case, no meaning to any filter.
_MARKS = (range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))


class Shield:
    """For one rendering: swaps control tokens in users' texts for marks, and finds them again.

    A mark is a single character that occurs in none of the texts. So nothing a template does to
    a text (trimming, changing case, cutting, joining) can take a mark apart or make one.
    Spellings in another case are swapped too, for templates that change it.
    """

    def __init__(self, control_tokens: re.Pattern[str], texts: Collection[str]) -> None:
        self._control_tokens = control_tokens
        self._texts = texts
        self._unused: Iterator[str] | None = None
        self._mark_of: dict[str, str] = {}

    def hide(self, text: str) -> str:
        """`text` with marks. Raises RequestError if the texts leave no character for one."""
        return self._control_tokens.sub(lambda found: self._mark(found[0]), text)

    def unused_mark(self) -> str:
        """A character that occurs in none of the texts and stands for nothing.

        Raises RequestError if there is none left.
        """
        if self._unused is None:
            used = set().union(*self._texts)
            self._unused = (
                chr(code) for codes in _MARKS for code in codes if chr(code) not in used
            )
        mark = next(self._unused, None)
        if mark is None:
            raise RequestError(
                "The messages use up Unicode's private-use characters.", param="messages"
            )
        return mark

    def segments(self, rendered: str) -> list[Segment]:
        """The rendering, with what was hidden restored as literal segments."""
        if not self._mark_of:
            return [Segment(rendered)]
        token_of = {mark: token for token, mark in self._mark_of.items()}
        parts = re.split(f"([{''.join(token_of)}])", rendered)
        return [
            Segment(token_of[part], literal=True) if index % 2 else Segment(part)
            for index, part in enumerate(parts)
            if part
        ]

    def _mark(self, token: str) -> str:
        mark = self._mark_of.get(token)
        if mark is None:
            mark = self._mark_of[token] = self.unused_mark()
        return mark


def control_pattern(control_tokens: Collection[str]) -> re.Pattern[str]:
    """Matches these tokens in any case, the longest first; nothing if there are none."""
    ordered = sorted(filter(None, control_tokens), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or "(?!)", re.IGNORECASE)
