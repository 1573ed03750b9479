"""What a format of calls is: the way one family of models writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.dialogue.tools.syntax import Part
from service.dialogue.tools.tool import Tool, ToolCall


@dataclass(frozen=True, slots=True)
class CallPiece:
    """The next piece of the call `index` of an answer: first its name, then its arguments' JSON.

    Joined, the `arguments` are the whole JSON; the first piece of a call, and no other, has a
    `name`.
    """

    index: int
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became certain: text that is no call, and then pieces of calls."""

    content: str = ""
    calls: tuple[CallPiece, ...] = ()


class CallParser(Protocol):
    """Reads calls from one growing answer; whatever the pieces fed, what comes out joins to the
    same content and calls. Takes time in proportion to the text."""

    @property
    def is_calling(self) -> bool:
        """Whether calls have begun, which go on to the end of the answer."""
        ...

    def feed(self, text: str) -> Parsed:
        """What became certain with `text`."""
        ...

    def flush(self) -> Parsed:
        """What was held back; the answer has ended."""
        ...


class ToolFormat(Protocol):
    """One way to write calls. Its grammar and its parser are each other's inverse."""

    @property
    def name(self) -> str: ...

    @property
    def openings(self) -> tuple[str, ...]:
        """With any of these, calls begin; the first is the usual one. Where it is "", they have
        no mark of their own, and an answer that begins with a call's head is one."""
        ...

    def head(self, name: str) -> str:
        """What every call of the function `name` begins with, up to the end of its name."""
        ...

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:
        """What follows the opening, to the end of the answer: calls of `tools` (their schemas
        are what is enforced), one at least."""
        ...

    def parser(self, tools: Collection[Tool]) -> CallParser:
        """The reader of one answer, whose calls are of `tools`."""
        ...

    def written(self, calls: Sequence[ToolCall]) -> str:
        """`calls` as the model writes them, opening included."""
        ...

    def new_call_id(self) -> str:
        """An id for a call, as the model's template takes it."""
        ...

    def known_call_id(self, call_id: str) -> str:
        """A client's id for a call, as the model's template takes it."""
        ...

    @property
    def arguments_are_text(self) -> bool:
        """Whether the model's template takes a past call's arguments as JSON and not as a value."""
        ...

    @property
    def takes_one_call(self) -> bool:
        """Whether the model's template takes no message with several calls."""
        ...
