"""FunctionGemma and Gemma 4: names without quotes, and texts between tokens.

    <start_function_call>call:f{a:<escape>any text, as it is<escape>,b:3}<end_function_call>

Arguments are in the order of their names. Texts of which the schema says more than that they are
such are in quotes, as JSON, and so is what is nested.
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
from service.dialogue.tools.value_span import ValueSpan

_CALL = "call:"


@dataclass(frozen=True, slots=True)
class GemmaCalls:
    """A ToolFormat. `quote` is what texts stand between."""

    name: str
    opening: str
    closing: str
    quote: str

    arguments_are_text = False
    takes_one_call = False

    @property
    def openings(self) -> tuple[str, ...]:
        return (self.opening,)

    def head(self, name: str) -> str:
        return f"{_CALL}{name}{{"

    def calls(self, tools: Sequence[Tool], *, at_most_one: bool) -> Part:
        call = Choice(tuple(self._call(tool) for tool in tools))
        others = () if at_most_one else (Repeated(sequence(Literal(self.opening), call)),)
        return sequence(call, *others)

    def parser(self, tools: Collection[Tool]) -> GemmaParser:  # noqa: ARG002  values tell all
        return GemmaParser(self)

    def written(self, calls: Sequence[ToolCall]) -> str:
        return "".join(f"{self.opening}{self._written(call)}{self.closing}" for call in calls)

    def new_call_id(self) -> str:
        return OPENAI_IDS.new()

    def known_call_id(self, call_id: str) -> str:
        return call_id

    def _call(self, tool: Tool) -> Part:
        parameters = parameters_of(tool)
        if parameters is None:
            whole = JsonText(tool.parameters)
            return sequence(Literal(f"{_CALL}{tool.name}"), whole, Literal(self.closing))
        ordered = sorted(parameters, key=lambda each: each.name)
        arguments = listed([(self._argument(each), each.is_required) for each in ordered], ",")
        return sequence(Literal(self.head(tool.name)), arguments, Literal("}" + self.closing))

    def _argument(self, parameter: Parameter) -> Part:
        head, choices = f"{parameter.name}:", parameter.choices
        if parameter.type == "string":
            return sequence(Literal(head + self.quote), TextBefore(self.quote))
        if choices and not any(self.quote in text for text in choices):
            texts = Choice(
                tuple(sequence(Verbatim(text), Literal(self.quote)) for text in choices if text)
                + ((Literal(self.quote),) if "" in choices else ())
            )
            return sequence(Literal(head + self.quote), texts)
        return sequence(Literal(head), JsonText(parameter.schema))

    def _written(self, call: ToolCall) -> str:
        arguments = json.loads(call.arguments)
        if not all(name.isidentifier() for name in arguments):
            return f"{_CALL}{call.name}{call.arguments}"
        texts = (f"{name}:{self._value(value)}" for name, value in sorted(arguments.items()))
        return f"{self.head(call.name)}{','.join(texts)}}}"

    def _value(self, value: object) -> str:
        if isinstance(value, str):
            return f"{self.quote}{value}{self.quote}"
        return json.dumps(value, ensure_ascii=False)


FUNCTION_GEMMA = GemmaCalls(
    "function-gemma", "<start_function_call>", "<end_function_call>", "<escape>"
)
GEMMA4 = GemmaCalls("gemma4", "<|tool_call>", "<tool_call|>", '<|"|>')


class GemmaParser(SteppingParser):
    """A CallParser. A value is passed on once it is whole."""

    def __init__(self, form: GemmaCalls) -> None:
        super().__init__(Opening(form.openings))
        self._form = form
        self._is_first = True
        self._num_searched = 0
        self._value = ValueSpan(closing="}")
        self._span = JsonSpan()

    def _begin(self) -> Step:
        return self._read_head

    def _read_head(self) -> bool:
        head, found, rest = self._waiting.partition("{")
        if not found or not rest:
            return False
        self._begin_call(head.strip().removeprefix(_CALL))
        self._is_first = True
        if rest.startswith('"'):
            self._step, self._waiting, self._span = self._read_object, "{" + rest, JsonSpan()
        else:
            self._step, self._waiting = self._read_name, rest
        return True

    def _read_object(self) -> bool:
        if not self._passed_on(self._span):
            return False
        self._step = self._read_behind
        return True

    def _read_name(self) -> bool:
        """The next parameter's name, or the end of the arguments."""
        self._waiting = self._waiting.removeprefix(",")
        if self._waiting.startswith("}"):
            self._add_arguments("{}" if self._is_first else "}")
            self._step, self._waiting = self._read_behind, self._waiting[1:]
            return True
        name, found, rest = self._waiting.partition(":")
        if not found:
            return False
        self._add_arguments("{" if self._is_first else ", ")
        self._add_arguments(f"{json.dumps(name)}: ")
        self._step, self._waiting, self._is_first = self._read_value, rest, False
        return True

    def _read_value(self) -> bool:
        quote = self._form.quote
        if self._waiting.startswith(quote):
            self._step, self._waiting = self._read_quoted, self._waiting[len(quote) :]
            self._num_searched = 0
            return True
        if quote.startswith(self._waiting):
            return False
        self._step, self._value = self._read_json, ValueSpan(closing="}")
        return True

    def _read_quoted(self) -> bool:
        quote = self._form.quote
        # Only what is new, and what may have begun the end before, can hold it.
        end = self._waiting.find(quote, max(0, self._num_searched - len(quote)))
        self._num_searched = len(self._waiting)
        if end < 0:
            return False
        self._add_arguments(json.dumps(self._waiting[:end], ensure_ascii=False))
        self._step, self._waiting = self._read_name, self._waiting[end + len(quote) :]
        return True

    def _read_json(self) -> bool:
        end = self._value.end(self._waiting)
        if end is None:
            return False
        self._add_arguments(self._waiting[:end])
        self._step, self._waiting = self._read_name, self._waiting[end:]
        return True

    def _read_behind(self) -> bool:
        closing, another = self._form.closing, self._form.closing + self._form.opening
        if another.startswith(self._waiting):
            return False
        begins = self._waiting.startswith(another)
        self._step = self._read_head if begins else self._read_rest
        self._waiting = self._waiting.removeprefix(another if begins else closing)
        return True
