"""Calls with a tag for each parameter: Qwen3-Coder and what came after it.

    <tool_call>
    <function=f>
    <parameter=a>
    any text, as it is
    </parameter>
    </function>
    </tool_call>

Texts stand as they are, and other values as JSON. Texts of which the schema says more than that
they are such are in quotes, as JSON too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from service.dialogue.tools.call_ids import OPENAI_IDS
from service.dialogue.tools.opening import Opening
from service.dialogue.tools.parameters import Parameter, listed, parameters_of
from service.dialogue.tools.steps import Step, SteppingParser
from service.dialogue.tools.syntax import (
    Choice,
    JsonText,
    Literal,
    Part,
    Repeated,
    TextBefore,
    Verbatim,
    sequence,
)
from service.dialogue.tools.tool import Tool, ToolCall

_OPENING = "<tool_call>"
_FUNCTION = "\n<function="
_PARAMETER = "\n<parameter="
END_OF_VALUE = "\n</parameter>"
_END_OF_CALL = "\n</function>\n</tool_call>"
_ANOTHER = f"\n{_OPENING}"


class Tagged:
    """A ToolFormat. Functions whose arguments cannot be told one by one have them as one
    parameter without a name."""

    name = "tagged"
    openings = (_OPENING,)
    arguments_are_text = False
    takes_one_call = False

    def head(self, name: str) -> str:
        return f"{_FUNCTION}{name}>"

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:
        call = Choice(tuple(self._call(tool) for tool in tools))
        others = () if at_most_one else (Repeated(sequence(Literal(_ANOTHER), call)),)
        return sequence(call, *others)

    def parser(self, tools: Collection[Tool]) -> TaggedParser:
        return TaggedParser({tool.name: _plain_names(tool) for tool in tools})

    def written(self, calls: Sequence[ToolCall]) -> str:
        return _OPENING + _ANOTHER.join(map(self._written, calls))

    def new_call_id(self) -> str:
        return OPENAI_IDS.new()

    def known_call_id(self, call_id: str) -> str:
        return call_id

    def _call(self, tool: Tool) -> Part:
        parameters = parameters_of(tool)
        if parameters is None:
            whole = (Literal(f"{_PARAMETER}>\n"), JsonText(tool.parameters), Literal(END_OF_VALUE))
            return sequence(Literal(self.head(tool.name)), *whole, Literal(_END_OF_CALL))
        arguments = listed([(_argument(each), each.is_required) for each in parameters], "")
        return sequence(Literal(self.head(tool.name)), arguments, Literal(_END_OF_CALL))

    def _written(self, call: ToolCall) -> str:
        arguments = json.loads(call.arguments)
        texts = (
            f"{_PARAMETER}{name}>\n{value if isinstance(value, str) else json.dumps(value)}"
            f"{END_OF_VALUE}"
            for name, value in arguments.items()
        )
        return f"{self.head(call.name)}{''.join(texts)}{_END_OF_CALL}"


TAGGED = Tagged()


class TaggedParser(SteppingParser):
    """A CallParser. A value is passed on once it is whole."""

    def __init__(self, plain_names: Mapping[str, frozenset[str]]) -> None:
        """`plain_names` are each function's parameters whose values stand as they are."""
        super().__init__(Opening((_OPENING,)))
        self._plain_names = plain_names
        self._function = ""
        self._parameter = ""
        self._num_searched = 0
        self._is_first = True

    def _begin(self) -> Step:
        return self._read_head

    def _read_head(self) -> bool:
        head, found, rest = self._waiting.partition(">")
        if not found:
            return False
        self._function = head.removeprefix(_FUNCTION)
        self._begin_call(self._function)
        self._step, self._waiting, self._is_first = self._read_parameter, rest, True
        return True

    def _read_parameter(self) -> bool:
        """The next parameter's name, or the end of the call."""
        if self._waiting.startswith(_END_OF_CALL):
            self._add_arguments("{}" if self._is_first else "}" if self._parameter else "")
            self._step, self._waiting = self._read_behind, self._waiting[len(_END_OF_CALL) :]
            return True
        head, found, rest = self._waiting.partition(">\n")
        if not found or not head.startswith(_PARAMETER):
            return False
        self._parameter = head.removeprefix(_PARAMETER)
        if self._parameter:
            self._add_arguments("{" if self._is_first else ", ")
            self._add_arguments(f"{json.dumps(self._parameter)}: ")
        self._step, self._waiting = self._read_value, rest
        self._num_searched, self._is_first = 0, False
        return True

    def _read_value(self) -> bool:
        # Only what is new, and what may have begun the end before, can hold it.
        end = self._waiting.find(END_OF_VALUE, max(0, self._num_searched - len(END_OF_VALUE)))
        self._num_searched = len(self._waiting)
        if end < 0:
            return False
        value = self._waiting[:end]
        is_plain = self._parameter in self._plain_names.get(self._function, ())
        self._add_arguments(json.dumps(value, ensure_ascii=False) if is_plain else value)
        self._step = self._read_parameter
        self._waiting = self._waiting[end + len(END_OF_VALUE) :]
        return True

    def _read_behind(self) -> bool:
        another = _ANOTHER + _FUNCTION
        if another.startswith(self._waiting):
            return False
        begins = self._waiting.startswith(another)
        self._step = self._read_head if begins else self._read_rest
        self._waiting = self._waiting.removeprefix(_ANOTHER) if begins else self._waiting
        return True


def _argument(parameter: Parameter) -> Part:
    head = Literal(f"{_PARAMETER}{parameter.name}>\n")
    if parameter.type == "string":
        return sequence(head, TextBefore(END_OF_VALUE))
    if _is_plain(parameter):
        texts = Choice(tuple(Verbatim(text + END_OF_VALUE) for text in parameter.choices))
        return sequence(head, texts)
    return sequence(head, JsonText(parameter.schema), Literal(END_OF_VALUE))


def _is_plain(parameter: Parameter) -> bool:
    choices = parameter.choices
    return parameter.type == "string" or (
        bool(choices) and not any(END_OF_VALUE in text or not text for text in choices)
    )


def _plain_names(tool: Tool) -> frozenset[str]:
    return frozenset(each.name for each in parameters_of(tool) or () if _is_plain(each))
