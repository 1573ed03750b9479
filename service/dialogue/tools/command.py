"""Command R7B and Command A: a list between two tokens, each call with a number of its own."""

from __future__ import annotations

from dataclasses import dataclass

from service.dialogue.tools.json_calls import JsonCalls
from service.dialogue.tools.syntax import JsonText, Literal, Part, sequence
from service.dialogue.tools.tool import Tool

_BEHIND_NUMBER = '", "tool_name": "'
_NUMBER = '{"type":"integer","minimum":0,"maximum":999}'


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCalls(JsonCalls):
    """A ToolFormat. The numbers are the model's own and are read over."""

    def head(self, name: str) -> str:
        return f"{self.before_name}0{_BEHIND_NUMBER}{name}{self.before_arguments}"

    def name_in(self, head: str) -> str:
        return head.rpartition('"')[2]

    def call(self, tool: Tool) -> Part:
        return sequence(
            Literal(self.before_name),
            JsonText(_NUMBER),
            Literal(f"{_BEHIND_NUMBER}{tool.name}{self.before_arguments}"),
            JsonText(tool.parameters),
            Literal(self.after_arguments),
        )


COMMAND = CommandCalls(
    name="command",
    openings=("<|START_ACTION|>",),
    before_calls="[\n    ",
    before_name='{"tool_call_id": "',
    before_arguments='", "parameters": ',
    after_arguments="}",
    separator=",\n    ",
    closing="]<|END_ACTION|>",
)
