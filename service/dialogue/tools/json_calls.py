"""Calls with their arguments in JSON between fixed texts: what most families write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from service.dialogue.tools.call_ids import OPENAI_IDS, CallIds
from service.dialogue.tools.format import CallPiece, Parsed
from service.dialogue.tools.json_span import JsonSpan
from service.dialogue.tools.opening import Opening
from service.dialogue.tools.syntax import Choice, JsonText, Literal, Part, Repeated, sequence
from service.dialogue.tools.tool import Tool, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonCalls:
    """A ToolFormat: opening, `before_calls`, calls with `separator` between them, `closing`; a
    call is `before_name`, its name, `before_arguments`, its arguments, `after_arguments`."""

    name: str
    openings: tuple[str, ...]
    before_calls: str = ""
    before_name: str
    before_arguments: str
    after_arguments: str = ""
    separator: str = ""
    closing: str = ""
    call_ids: CallIds = OPENAI_IDS
    arguments_are_text: bool = False

    def head(self, name: str) -> str:
        return self.before_name + name + self.before_arguments

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:
        call = Choice(tuple(self._call(tool) for tool in tools))
        others = Repeated(sequence(Literal(self.separator), call))
        first = sequence(Literal(self.before_calls), call)
        return sequence(first, *(() if at_most_one else (others,)), Literal(self.closing))

    def parser(self, tools: Collection[Tool]) -> JsonCallParser:
        heads = [self.head(tool.name) for tool in tools] if "" in self.openings else []
        return JsonCallParser(self, heads)

    def written(self, calls: Sequence[ToolCall]) -> str:
        texts = (self.head(call.name) + call.arguments + self.after_arguments for call in calls)
        return self.openings[0] + self.before_calls + self.separator.join(texts) + self.closing

    def new_call_id(self) -> str:
        return self.call_ids.new()

    def known_call_id(self, call_id: str) -> str:
        return self.call_ids.known(call_id)

    def _call(self, tool: Tool) -> Part:
        return sequence(
            Literal(self.head(tool.name)),
            JsonText(tool.parameters),
            Literal(self.after_arguments),
        )


class _Where(Enum):
    TEXT = "before any call"
    HEAD = "in what comes before the arguments of a call"
    ARGUMENTS = "in its arguments"
    BEHIND = "in what comes between calls, or ends them"
    DONE = "behind all calls"


class JsonCallParser:
    """A CallParser for one answer of a JsonCalls format."""

    def __init__(self, form: JsonCalls, heads: Collection[str]) -> None:
        self._form = form
        self._opening = Opening([mark for mark in form.openings if mark], heads)
        self._where = _Where.TEXT
        self._buffer = ""
        self._span = JsonSpan()
        self._num_calls = 0
        self._content: list[str] = []
        self._calls: list[CallPiece] = []

    @property
    def is_calling(self) -> bool:
        return self._where is not _Where.TEXT

    def feed(self, text: str) -> Parsed:
        self._buffer += text
        while self._advance():
            pass
        return self._taken()

    def flush(self) -> Parsed:
        """The unfinished head of a call that was cut is no content, and is left out."""
        if self._where is _Where.TEXT:
            self._content.append(self._opening.flush())
        return self._taken()

    def _advance(self) -> bool:
        """One step; whether another may follow before more text has come."""
        match self._where:
            case _Where.TEXT:
                return self._read_text()
            case _Where.HEAD:
                return self._read_head()
            case _Where.ARGUMENTS:
                return self._read_arguments()
            case _Where.BEHIND:
                return self._read_behind()
        self._content.append(self._buffer)
        self._buffer = ""
        return False

    def _read_text(self) -> bool:
        content, following = self._opening.feed(self._buffer)
        self._content.append(content)
        self._buffer = following or ""
        if following is None:
            return False
        self._where = _Where.HEAD
        return True

    def _read_head(self) -> bool:
        head, found, arguments = self._buffer.partition(self._form.before_arguments)
        if not found:
            return False
        name = head.removeprefix(self._form.before_calls).removeprefix(self._form.before_name)
        self._calls.append(CallPiece(self._num_calls, name))
        self._num_calls += 1
        self._where, self._buffer, self._span = _Where.ARGUMENTS, arguments, JsonSpan()
        return True

    def _read_arguments(self) -> bool:
        end = self._span.end(self._buffer)
        arguments = self._buffer[:end]
        if arguments:
            self._calls.append(CallPiece(self._num_calls - 1, arguments=arguments))
        self._buffer = self._buffer[len(arguments) :]
        if end is None:
            return False
        self._where = _Where.BEHIND
        return True

    def _read_behind(self) -> bool:
        form, buffer = self._form, self._buffer
        last = form.after_arguments + form.closing
        another = form.after_arguments + form.separator
        if form.closing and buffer.startswith(last):
            self._where, self._buffer = _Where.DONE, buffer.removeprefix(last)
            return True
        if any(expected.startswith(buffer) for expected in (last, another + form.before_name)):
            return False
        another_begins = buffer.startswith(another + form.before_name)
        self._where = _Where.HEAD if another_begins else _Where.DONE
        self._buffer = buffer.removeprefix(another if another_begins else last)
        return True

    def _taken(self) -> Parsed:
        parsed = Parsed("".join(self._content), tuple(self._calls))
        self._content.clear()
        self._calls.clear()
        return parsed
