"""Calls as a list of Python's: `[f(a=1, b="x"), g()]`. Llama 3.2 and 4, others told so, and LFM2
between two tokens.

Values are written as in JSON, but for True, False and None. Where a schema says more than which
parameters there are, the arguments are one object behind `**`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from service.dialogue.tools.call_ids import OPENAI_IDS
from service.dialogue.tools.json_span import JsonSpan
from service.dialogue.tools.opening import Opening
from service.dialogue.tools.parameters import Parameter, listed, parameters_of
from service.dialogue.tools.steps import Step, SteppingParser
from service.dialogue.tools.syntax import Choice, JsonText, Literal, Part, Repeated, sequence
from service.dialogue.tools.tool import Tool, ToolCall
from service.dialogue.tools.value_span import ValueSpan

_JSON_OF = {"True": "true", "False": "false", "None": "null"}


@dataclass(frozen=True, slots=True)
class Pythonic:
    """A ToolFormat. `opening` and `closing` stand around the list."""

    name: str
    opening: str = ""
    closing: str = ""

    arguments_are_text = False
    takes_one_call = False

    @property
    def openings(self) -> tuple[str, ...]:
        return (self.opening,)

    def head(self, name: str) -> str:
        return f"[{name}("

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:
        first = Choice(tuple(_call(tool, self.head(tool.name)) for tool in tools))
        another = Choice(tuple(_call(tool, f"{tool.name}(") for tool in tools))
        others = () if at_most_one else (Repeated(sequence(Literal(", "), another)),)
        return sequence(first, *others, Literal("]" + self.closing))

    def parser(self, tools: Collection[Tool]) -> PythonicParser:
        return PythonicParser(
            self, [] if self.opening else [self.head(tool.name) for tool in tools]
        )

    def written(self, calls: Sequence[ToolCall]) -> str:
        return f"{self.opening}[{', '.join(map(_written, calls))}]{self.closing}"

    def new_call_id(self) -> str:
        return OPENAI_IDS.new()

    def known_call_id(self, call_id: str) -> str:
        return call_id


PYTHONIC = Pythonic("pythonic")

LFM2 = Pythonic("lfm2", "<|tool_call_start|>", "<|tool_call_end|>")


class PythonicParser(SteppingParser):
    """A CallParser. A value is passed on once it is whole."""

    def __init__(self, form: Pythonic, heads: Collection[str]) -> None:
        super().__init__(Opening(tuple(filter(None, form.openings)), heads))
        self._form = form
        self._is_first = True
        self._value = ValueSpan()
        self._span = JsonSpan()

    def _begin(self) -> Step:
        return self._read_bracket

    def _read_bracket(self) -> bool:
        self._waiting = self._waiting.lstrip()
        if not self._waiting:
            return False
        self._step, self._waiting = self._read_head, self._waiting.removeprefix("[")
        return True

    def _read_head(self) -> bool:
        name, found, rest = self._waiting.partition("(")
        if not found:
            return False
        self._begin_call(name)
        self._step, self._waiting, self._is_first = self._read_name, rest, True
        return True

    def _read_name(self) -> bool:
        """The next parameter's name, all arguments behind `**`, or the end of the arguments."""
        self._waiting = self._waiting.lstrip()
        if self._waiting.startswith(")"):
            self._add_arguments("{}" if self._is_first else "}")
            self._step, self._waiting = self._read_behind, self._waiting[1:]
            return True
        if self._waiting.startswith("**"):
            self._step, self._waiting = self._read_object, self._waiting[2:]
            self._span = JsonSpan()
            return True
        name, found, rest = self._waiting.partition("=")
        if not found:
            return False
        self._add_arguments("{" if self._is_first else ", ")
        self._add_arguments(f"{json.dumps(name)}: ")
        self._step, self._waiting, self._is_first = self._read_value, rest, False
        self._value = ValueSpan()
        return True

    def _read_value(self) -> bool:
        end = self._value.end(self._waiting)
        if end is None:
            return False
        value = self._waiting[:end]
        self._add_arguments(_JSON_OF.get(value, value))
        self._step = self._read_name
        self._waiting = self._waiting[end:].removeprefix(",")
        return True

    def _read_object(self) -> bool:
        if not self._passed_on(self._span):
            return False
        self._step = self._read_end_of_object
        return True

    def _read_end_of_object(self) -> bool:
        if not self._waiting:
            return False
        self._step, self._waiting = self._read_behind, self._waiting[1:]
        return True

    def _read_behind(self) -> bool:
        if self._waiting.startswith("]"):
            self._step, self._waiting = self._read_closing, self._waiting[1:]
            return True
        if len(self._waiting) < len(", x"):
            return False
        self._step, self._waiting = self._read_head, self._waiting.removeprefix(", ")
        return True

    def _read_closing(self) -> bool:
        if self._form.closing.startswith(self._waiting):
            return False
        self._step = self._read_rest
        self._waiting = self._waiting.removeprefix(self._form.closing)
        return True


def _call(tool: Tool, head: str) -> Part:
    parameters = parameters_of(tool)
    if parameters is None:
        return sequence(Literal(f"{head}**"), JsonText(tool.parameters), Literal(")"))
    arguments = listed([(_argument(each), each.is_required) for each in parameters], ", ")
    return sequence(Literal(head), arguments, Literal(")"))


def _argument(parameter: Parameter) -> Part:
    return sequence(Literal(f"{parameter.name}="), _value(parameter))


def _value(parameter: Parameter) -> Part:
    match parameter.type:
        case "boolean":
            return Choice((Literal("True"), Literal("False")))
        case "null":
            return Literal("None")
    return JsonText(parameter.schema)


def _written(call: ToolCall) -> str:
    arguments = json.loads(call.arguments)
    if not all(name.isidentifier() for name in arguments):
        return f"{call.name}(**{call.arguments})"
    texts = (f"{name}={_python(value)}" for name, value in arguments.items())
    return f"{call.name}({', '.join(texts)})"


def _python(value: object) -> str:
    if value is None or isinstance(value, bool):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
