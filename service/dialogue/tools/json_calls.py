"""Calls with their arguments in JSON between fixed texts: what most families write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from service.dialogue.tools.call_ids import OPENAI_IDS, CallIds
from service.dialogue.tools.json_span import JsonSpan
from service.dialogue.tools.opening import Opening
from service.dialogue.tools.steps import Step, SteppingParser
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
    takes_one_call: bool = False

    def head(self, name: str) -> str:
        return self.before_name + name + self.before_arguments

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:
        call = Choice(tuple(self.call(tool) for tool in tools))
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

    def name_in(self, head: str) -> str:
        """The name in what stands before a call's arguments."""
        return head.removeprefix(self.before_calls).removeprefix(self.before_name)

    def call(self, tool: Tool) -> Part:
        """One call."""
        return sequence(
            Literal(self.head(tool.name)),
            JsonText(tool.parameters),
            Literal(self.after_arguments),
        )


def json_list(name: str, *, opening: str, closing: str = "]") -> JsonCalls:
    """Calls as one list of objects with `name` and `arguments`."""
    return JsonCalls(
        name=name,
        openings=(opening,),
        before_calls="[",
        before_name='{"name": "',
        before_arguments='", "arguments": ',
        after_arguments="}",
        separator=", ",
        closing=closing,
    )


class JsonCallParser(SteppingParser):
    """A CallParser for one answer of a JsonCalls format."""

    def __init__(self, form: JsonCalls, heads: Collection[str]) -> None:
        super().__init__(Opening([mark for mark in form.openings if mark], heads))
        self._form = form
        self._span = JsonSpan()

    def _begin(self) -> Step:
        return self._read_head

    def _read_head(self) -> bool:
        head, found, arguments = self._waiting.partition(self._form.before_arguments)
        if not found:
            return False
        self._begin_call(self._form.name_in(head))
        self._step, self._waiting, self._span = self._read_arguments, arguments, JsonSpan()
        return True

    def _read_arguments(self) -> bool:
        if not self._passed_on(self._span):
            return False
        self._step = self._read_behind
        return True

    def _read_behind(self) -> bool:
        form, waiting = self._form, self._waiting
        last = form.after_arguments + form.closing
        another = form.after_arguments + form.separator
        if form.closing and waiting.startswith(last):
            self._step, self._waiting = self._read_rest, waiting.removeprefix(last)
            return True
        if any(expected.startswith(waiting) for expected in (last, another + form.before_name)):
            return False
        another_begins = waiting.startswith(another + form.before_name)
        self._step = self._read_head if another_begins else self._read_rest
        self._waiting = waiting.removeprefix(another if another_begins else last)
        return True
