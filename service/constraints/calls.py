"""What an answer that may call tools is held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from service.constraints.frames import AnswerFrame, spanned
from service.constraints.guard import check_together
from service.constraints.json_types import Json
from service.constraints.lark import SPACE, LarkWriter, pattern
from service.constraints.prepare import SchemaOptions, prepare_schema
from service.constraints.spec import OutputKind, OutputSpec
from service.constraints.validation import validate_text
from service.dialogue.styles.start import Start
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.tool import Tool, ToolUse
from service.errors import RequestError, UnsupportedSchema

PARAM = "tools"


@dataclass(frozen=True, slots=True)
class PreparedCalls:
    """`spec` describes all answers; `check` tells what is wrong with the arguments of a finished
    call of the tool named, None if nothing is."""

    spec: OutputSpec
    check: Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class PreparedTool:
    """The tool with the schema that its arguments are held to; `relaxed` points to what of it is
    not enforced."""

    tool: Tool
    relaxed: Sequence[str] = ()


def prepare_tool(tool: Tool, *, param: str, relaxes: bool = False) -> PreparedTool:
    """The arguments' schema checked, and its objects closed.

    `param` is the request's field that holds the schema. Raises UnsupportedSchema for what cannot
    be enforced, unless `relaxes`, and RequestError for a schema of anything but an object.
    """
    schema: Json = msgspec.json.decode(tool.parameters)
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise RequestError(
            "The arguments of a function are an object: the schema's type must be 'object'.",
            param=param,
        )
    typed: Json = {**schema, "type": "object"}
    form = prepare_schema(typed, param=param, options=SchemaOptions(relaxes=relaxes))
    relaxed = [f"{param}{pointer}" for pointer in form.relaxed]
    return PreparedTool(replace(tool, parameters=form.spec.source), relaxed)


def prepare_calls(
    use: ToolUse,
    form: ToolFormat,
    control_ids: Mapping[str, int],
    *,
    follows_thoughts: bool = False,
    content: OutputSpec | None = None,
    frame: AnswerFrame | None = None,
) -> PreparedCalls:
    """The grammar of answers that may call the tools of `use`, which are prepared.

    `control_ids` are the model's tokens that are no text, by spelling. Text that is no call must
    be the JSON that `content` describes, if that is not None. Where calls must come, those that
    `follows_thoughts` may have lines free before them. With a `frame` the grammar is that of all
    its parts.

    Raises UnsupportedSchema where calls could not be told from such JSON, and for schemas that
    are too much together, and RequestError where no call can come any more.
    """
    divided = [tool.parameters for tool in use.callable_tools if "multipleOf" in tool.parameters]
    check_together(map(msgspec.json.decode, divided), param=PARAM)
    answers = _Answers(use, form, LarkWriter(control_ids))
    if frame is None:
        grammar = answers.grammar(content, follows_thoughts=follows_thoughts)
    else:
        grammar = answers.framed(content, frame)
    schemas = {tool.name: msgspec.json.decode(tool.parameters) for tool in use.callable_tools}
    may_be_empty = not use.must_call and content is None
    spec = OutputSpec(
        OutputKind.GRAMMAR,
        grammar,
        PARAM,
        may_be_empty=may_be_empty,
        text_ends=answers.writer.text_ends,
    )
    return PreparedCalls(spec, lambda name, text: _problem(name, text, schemas))


def _problem(name: str, text: str, schemas: Mapping[str, Json]) -> str | None:
    return validate_text(text, schemas[name]) if name in schemas else "there is no such tool"


@dataclass(frozen=True, slots=True)
class _Answers:
    """Writes the grammar of one request's answers."""

    use: ToolUse
    form: ToolFormat
    writer: LarkWriter

    def grammar(self, content: OutputSpec | None, *, follows_thoughts: bool) -> str:
        if self.use.must_call:
            # Models leave lines free behind their thoughts.
            space = self.writer.terminal(f"/{SPACE}{{1,4}}/") + "?" if follows_thoughts else ""
            answer = self._opened(self.form.openings[0], space)
        elif content is not None:
            answer = self._calls_or_json(content)
        else:
            answer = self._calls_or_text()
        return self.writer.grammar(answer)

    def framed(self, content: OutputSpec | None, frame: AnswerFrame) -> str:
        """Nothing stands without its marks, so that calls cannot be taken for text."""
        body = f"{self.writer.text()}?" if content is None else self.writer.json_of(content)
        if frame.start is Start.TEXT:
            if self.use.must_call:
                raise RequestError(
                    "This model cannot call in a message that is being continued.",
                    param="continue_final_message",
                )
            return self.writer.grammar(body)
        calls = " | ".join(self._opened(opening) for opening in self.form.openings)
        answers = f"{frame.preambles(self.writer)} ({calls})"
        if not self.use.must_call:
            answers += f" | {spanned(self.writer, frame.frame.text, body)}"
        return self.writer.grammar(f"{frame.thoughts(self.writer)} ({answers})")

    def _opened(self, opening: str, space: str = "") -> str:
        """Calls and what announces them."""
        calls = self._calls(after_space=bool(space) and not opening)
        before = f"{space} {self.writer.literal(opening)}" if opening else ""
        return f"{before} {calls}"

    def _calls(self, *, after_space: bool = False) -> str:
        calls = self.form.calls(self.use.callable_tools, at_most_one=self.use.at_most_one)
        return self.writer.part(calls, after_space=after_space)

    def _calls_or_json(self, content: OutputSpec) -> str:
        marked = [opening for opening in self.form.openings if opening]
        if not marked or not (self.form.openings[0] or self.writer.is_control(marked[0])):
            raise UnsupportedSchema(
                "This model's calls are JSON themselves and cannot be told from an answer in JSON.",
                param=content.param,
            )
        return f"{self.writer.json_of(content)} | {self._opened(marked[0])}"

    def _calls_or_text(self) -> str:
        """Text that holds no mark of calls, or text, a mark and calls."""
        but = self._but_no_calls()
        answers = [f"{self.writer.text(but)}?"]
        for opening in self.form.openings:
            if not opening:
                answers.append(self._calls(after_space=True))
            elif self.writer.is_control(opening):
                answers.append(f"{self.writer.text(but)}? {self._opened(opening)}")
            else:
                answers.append(f"{self._ended_by(opening, but)} {self._calls()}")
        return " | ".join(answers)

    def _ended_by(self, mark: str, but: str = "") -> str:
        return self.writer.terminal(rf"/(.|\n)*{pattern(mark)}/" + but, is_lazy=True)

    def _but_no_calls(self) -> str:
        """Where calls have no mark, text must not begin as they do; nor may it hold a mark that is
        a control token, spelled out: it would be read as that token."""
        marks = [pattern(mark) for mark in self.form.openings if self.writer.is_control(mark)]
        beginnings = [rf"(.|\n)*({'|'.join(marks)})"] if marks else []
        if "" in self.form.openings:
            heads = (pattern(self.form.head(tool.name)) for tool in self.use.callable_tools)
            beginnings.append(f"{SPACE}*({'|'.join(heads)})")
        return rf" & ~/({'|'.join(beginnings)})(.|\n)*/" if beginnings else ""
