"""Reads answers that are calls from their beginning, or none at all."""

from __future__ import annotations

from collections.abc import Collection

from service.dialogue.tools.format import CallParser, Parsed
from service.dialogue.tools.syntax import WHITE_SPACE


class CallsOrContent:
    """A CallParser: an answer that does not begin with one of the `openings` has no calls,
    whatever its texts spell further on."""

    def __init__(self, parser: CallParser, openings: Collection[str]) -> None:
        """`parser` reads the calls; no opening is ""."""
        self._parser = parser
        self._openings = openings
        self._held = ""
        self._has_calls: bool | None = None

    @property
    def is_calling(self) -> bool:
        return self._parser.is_calling

    def feed(self, text: str) -> Parsed:
        if self._has_calls is None:
            text = self._held + text
            self._held = ""
            self._decide(text.lstrip(WHITE_SPACE))
        if self._has_calls is None:
            self._held = text
            return Parsed()
        return self._parser.feed(text) if self._has_calls else Parsed(text)

    def flush(self) -> Parsed:
        return self._parser.flush() if self._has_calls else Parsed(self._held)

    def _decide(self, begun: str) -> None:
        if any(begun.startswith(opening) for opening in self._openings):
            self._has_calls = True
        elif not any(opening.startswith(begun) for opening in self._openings):
            self._has_calls = False
