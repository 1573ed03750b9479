"""Tools that a request lets its answer call, whichever dialect they came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from service.api.facade import Model
from service.api.forms import AskedForm, output_form
from service.api.work import off_loop_if_large
from service.constraints.calls import PreparedCalls, Thoughts, prepare_calls, prepare_tool
from service.constraints.spec import OutputKind, OutputSpec
from service.dialogue.prompt import ChatPrompt
from service.dialogue.tools.tool import NO_PARAMETERS, Tool, ToolUse
from service.errors import RequestError
from service.options import CallForm, OutputForm

MAX_TOOLS = 128


@dataclass(frozen=True, slots=True)
class AskedTools:
    """`params` are the request's fields that hold the schemas of the tools, in their order."""

    use: ToolUse
    params: tuple[str, ...]

    def prepared(
        self, model: Model, prompt: ChatPrompt, content: OutputSpec | None
    ) -> PreparedCalls:
        """Raises UnsupportedSchema and RequestError as `prepare_tool` and `prepare_calls` do."""
        tools = tuple(
            prepare_tool(tool, param=param)
            for tool, param in zip(self.use.tools, self.params, strict=True)
        )
        return prepare_calls(
            replace(self.use, tools=tools),
            model.tool_format,
            model.control_ids,
            thoughts=_thoughts(prompt),
            content=content,
        )


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
    if tools is None:
        return AnswerForms(await output_form(content, model, completes=completes))
    num_bytes = sum(len(tool.parameters) for tool in tools.use.tools)
    form = None if content is None else await off_loop_if_large(content.num_bytes, content.prepare)
    spec = None if form is None else _json_only(form.spec)
    prepared = await off_loop_if_large(num_bytes, lambda: tools.prepared(model, prompt, spec))
    constraint = await model.compile(prepared.spec)
    return AnswerForms(
        OutputForm(constraint, None if form is None else form.check, bool(completes)),
        _call_form(tools.use, model, prepared),
    )


def make_tool(name: str, description: str | None, parameters: bytes, *, param: str) -> Tool:
    """A tool of a request. `parameters` is the JSON of its schema, `null` for no arguments.

    Raises RequestError for a schema that is no JSON, naming `param`.
    """
    try:
        schema = msgspec.json.decode(parameters)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"The schema is no JSON: {error}.", param=param) from None
    if schema is None:
        return Tool(name, description, NO_PARAMETERS)
    return Tool(name, description, msgspec.json.encode(schema).decode())


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


def _thoughts(prompt: ChatPrompt) -> Thoughts:
    if prompt.starts_in_reasoning:
        return Thoughts.BEFORE
    return Thoughts.MAYBE if prompt.may_reason else Thoughts.NONE


def _json_only(spec: OutputSpec) -> OutputSpec:
    if spec.kind is not OutputKind.JSON_SCHEMA:
        raise RequestError(
            "Beside tools that may be called an answer can be held to JSON only.",
            param=spec.param,
        )
    return spec


def _call_form(use: ToolUse, model: Model, prepared: PreparedCalls) -> CallForm:
    form = model.tool_format
    return CallForm(
        parser=lambda: form.parser(use.callable_tools),
        check=prepared.check,
        new_id=form.new_call_id,
        shown_ids=frozenset(model.control_ids.values()),
    )
