"""What readers of calls have in common: text, and then one step of a call after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from service.dialogue.tools.format import CallPiece, Parsed
from service.dialogue.tools.json_span import JsonSpan
from service.dialogue.tools.opening import Opening

Step = Callable[[], bool]
"""Takes what it knows of the text that waits; whether another step may follow at once."""


class SteppingParser(ABC):
    """A CallParser that is at one step of its format, and waits there for text."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._waiting = ""
        self._num_calls = 0
        self._step: Step = self._read_text
        self._content: list[str] = []
        self._calls: list[CallPiece] = []

    @property
    def is_calling(self) -> bool:
        return self._step != self._read_text

    def feed(self, text: str) -> Parsed:
        self._waiting += text
        while self._step():
            pass
        return self._taken()

    def flush(self) -> Parsed:
        """The unfinished head of a call that was cut is no content, and is left out."""
        if not self.is_calling:
            self._content.append(self._opening.flush())
        return self._taken()

    @abstractmethod
    def _begin(self) -> Step:
        """The first step behind the opening."""

    def _read_text(self) -> bool:
        content, following = self._opening.feed(self._waiting)
        self._content.append(content)
        self._waiting = following or ""
        if following is None:
            return False
        self._step = self._begin()
        return True

    def _read_rest(self) -> bool:
        """Behind all calls there is nothing; what comes all the same is shown."""
        self._content.append(self._waiting)
        self._waiting = ""
        return False

    def _begin_call(self, name: str) -> None:
        self._calls.append(CallPiece(self._num_calls, name))
        self._num_calls += 1

    def _add_arguments(self, text: str) -> None:
        """The next characters of the JSON of the last call's arguments."""
        if text:
            self._calls.append(CallPiece(self._num_calls - 1, arguments=text))

    def _passed_on(self, span: JsonSpan) -> bool:
        """Takes what waits of the last call's arguments; whether they have ended."""
        end = span.end(self._waiting)
        arguments = self._waiting[:end]
        self._add_arguments(arguments)
        self._waiting = self._waiting[len(arguments) :]
        return end is not None

    def _taken(self) -> Parsed:
        parsed = Parsed("".join(self._content), tuple(self._calls))
        self._content.clear()
        self._calls.clear()
        return parsed
