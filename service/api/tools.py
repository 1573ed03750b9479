"""Tools that a request lets its answer call, whichever dialect they came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from service.api.facade import Model
from service.api.forms import AskedForm, output_form
from service.api.work import aside_if_large
from service.constraints.calls import PreparedCalls, prepare_calls, prepare_tool
from service.constraints.frames import AnswerFrame
from service.constraints.prepare import PreparedForm
from service.constraints.spec import OutputKind, OutputSpec
from service.dialogue.prompt import ChatPrompt
from service.dialogue.tools.either import CallsOrContent
from service.dialogue.tools.format import CallParser
from service.dialogue.tools.tool import NO_PARAMETERS, Tool, ToolUse
from service.errors import RequestError, UnsupportedParameter, UnsupportedSchema
from service.options import CallForm, OutputForm

MAX_TOOLS = 128


@dataclass(frozen=True, slots=True)
class AskedTool:
    """A tool of a request, whose field `param` holds its schema. With `relaxes` keywords that
    cannot be enforced are left out instead of refused."""

    tool: Tool
    param: str
    relaxes: bool = False


@dataclass(frozen=True, slots=True)
class AskedTools:
    """What a request lets its answer call; `asked` are the tools of `use`, in their order."""

    use: ToolUse
    asked: tuple[AskedTool, ...]

    @property
    def num_bytes(self) -> int:
        """Of all schemas together."""
        return sum(len(tool.parameters) for tool in self.use.tools)

    def prepared(self) -> PreparedTools:
        """Raises UnsupportedSchema and RequestError as `prepare_tool` does."""
        tools = [
            prepare_tool(each.tool, param=each.param, relaxes=each.relaxes) for each in self.asked
        ]
        relaxed = tuple(pointer for tool in tools for pointer in tool.relaxed)
        use = replace(self.use, tools=tuple(tool.tool for tool in tools))
        return PreparedTools(use, relaxed, tuple(each.param for each in self.asked))


@dataclass(frozen=True, slots=True)
class PreparedTools:
    """The schemas in `use` are those that are enforced; `relaxed` is what is not, of them all.
    `params` are the request's fields that held them."""

    use: ToolUse
    relaxed: tuple[str, ...]
    params: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerForms:
    """What an answer is held to, and how calls are read from it; None where there is nothing."""

    form: OutputForm | None = None
    calls: CallForm | None = None


async def answer_forms(
    tools: AskedTools | None,
    content: AskedForm | None,
    model: Model,
    prompt: ChatPrompt,
    *,
    completes: bool | None,
) -> AnswerForms:
    """What an answer to `prompt` is held to; `completes` is `complete_on_length`.

    Raises UnsupportedSchema, RequestError, and what `Model.compile` does.
    """
    frame = None if model.frame is None else AnswerFrame(model.frame, prompt.start)
    if tools is None:
        behind = None if frame is None else frame.before_text(model.control_ids)
        return AnswerForms(await output_form(content, model, completes=completes, behind=behind))
    if frame is not None and completes:
        raise UnsupportedParameter(
            "The model's answers can be closed only where no tool may be called.",
            param="complete_on_length",
        )
    prepared = await aside_if_large(tools.num_bytes, tools.prepared, model.aside)
    if content is None:
        return await _compiled(prepared, None, model, prompt, completes=bool(completes))
    form = await content.prepared(model)
    if form.spec.kind is not OutputKind.JSON_SCHEMA:
        raise RequestError(
            "Beside tools that may be called an answer can be held to JSON only.",
            param=form.spec.param,
        )
    return await _compiled(prepared, form, model, prompt, completes=bool(completes))


async def _compiled(
    tools: PreparedTools,
    content: PreparedForm | None,
    model: Model,
    prompt: ChatPrompt,
    *,
    completes: bool,
) -> AnswerForms:
    calls = await aside_if_large(
        sum(len(tool.parameters) for tool in tools.use.tools),
        lambda: prepare_calls(
            tools.use,
            model.tool_format,
            model.control_ids,
            follows_thoughts=prompt.may_reason,
            content=None if content is None else content.spec,
            frame=None if model.frame is None else AnswerFrame(model.frame, prompt.start),
        ),
        model.aside,
    )
    try:
        constraint = await model.compile(calls.spec)
    except UnsupportedSchema:
        await _check_each(tools, model)
        raise
    check = None if content is None else content.check
    relaxed = (*tools.relaxed, *(() if content is None else content.relaxed))
    return AnswerForms(
        OutputForm(constraint, check, completes, relaxed),
        _call_form(tools.use, model, calls, is_json_else=content is not None),
    )


async def _check_each(tools: PreparedTools, model: Model) -> None:
    """Raises UnsupportedSchema, which names the tool, if one of them is what cannot be enforced."""
    for tool, param in zip(tools.use.tools, tools.params, strict=True):
        if tool.name in tools.use.callable_names:
            try:
                await model.compile(OutputSpec(OutputKind.JSON_SCHEMA, tool.parameters, param))
            except UnsupportedSchema as refused:
                message = f"The function {tool.name!r}: {refused.message}"
                raise UnsupportedSchema(message, param=param) from None


def asked_tool(
    name: str, description: str | None, schema: bytes, *, param: str, strict: bool | None
) -> AskedTool:
    """A tool of a request, whose field `param` holds the JSON of its schema: `null` for no
    arguments. Only where `strict` is false may it be relaxed.

    Raises RequestError for a schema that is no JSON, naming `param`.
    """
    try:
        keywords = msgspec.json.decode(schema)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"The schema is no JSON: {error}.", param=param) from None
    parameters = NO_PARAMETERS if keywords is None else msgspec.json.encode(keywords).decode()
    return AskedTool(Tool(name, description, parameters), param, relaxes=strict is False)


def check_names(tools: Sequence[Tool], param: str) -> None:
    """Raises RequestError for a name that two tools have."""
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in seen:
            raise RequestError(f"Two tools have the name {tool.name!r}.", param=f"{param}[{index}]")
        seen.add(tool.name)


def check_known(name: str, tools: Sequence[Tool], *, param: str) -> None:
    """Raises RequestError for a choice of a tool that there is not."""
    if all(tool.name != name for tool in tools):
        raise RequestError(f"There is no tool of the name {name!r}.", param=param)


def check_ends(given: Mapping[str, object]) -> None:
    """Raises RequestError for a field with a value that would cut what has its own end."""
    for name, value in given.items():
        if value:
            raise RequestError(
                f"{name!r} cannot be combined with tools that may be called: calls end by "
                "themselves.",
                param=name,
            )


def _call_form(
    use: ToolUse, model: Model, prepared: PreparedCalls, *, is_json_else: bool
) -> CallForm:
    """With `is_json_else` an answer without calls is JSON, whose texts may spell anything."""
    form = model.tool_format

    def parser() -> CallParser:
        reader = form.parser(use.callable_tools)
        marks = [opening for opening in form.openings if opening]
        return CallsOrContent(reader, marks) if is_json_else and not use.must_call else reader

    return CallForm(
        parser=parser,
        check=prepared.check,
        new_id=form.new_call_id,
        shown_ids=frozenset(model.control_ids.values()),
        are_due=use.must_call,
    )
