"""From a chat request's fields to the tools that its answer may call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.api.openai.chat_schema import ChatRequest
from service.api.openai.common_schema import FinishReason
from service.api.openai.tool_schema import (
    AllowedToolsChoice,
    ChosenFunction,
    FunctionSpec,
    NamedTool,
    ToolChoice,
)
from service.api.tools import (
    AskedTool,
    AskedTools,
    asked_tool,
    check_ends,
    check_known,
    check_names,
)
from service.dialogue.tools.tool import Tool, ToolUse
from service.errors import RequestError


@dataclass(frozen=True, slots=True)
class CallStyle:
    """How an answer's calls are told of: as `tool_calls`, or as OpenAI did before it had tools.

    A finished answer with calls ends for `finish_reason`; as with OpenAI that is "stop" where the
    request named what is called.
    """

    is_function: bool = False
    finish_reason: FinishReason = "tool_calls"


@dataclass(frozen=True, slots=True)
class ChatTools:
    """`asked` is None where no tool may be called."""

    asked: AskedTools | None = None
    style: CallStyle = CallStyle()

    @property
    def shown(self) -> tuple[Tool, ...]:
        """What the model is told of: nothing where it may call nothing."""
        return () if self.asked is None else self.asked.use.tools


def chat_tools(wire: ChatRequest) -> ChatTools:
    """Raises RequestError for fields that contradict each other, and for choices that there are
    not."""
    if wire.functions is not None or wire.function_call is not None:
        return _from_functions(wire)
    specs = [tool.function for tool in wire.tools or ()]
    asked = asked_tools(specs, "tools", "tools[{}].function.parameters")
    tools = tuple(each.tool for each in asked)
    choice: ToolChoice = wire.tool_choice or "auto"
    if not tools:
        _check_absent(choice, "tool_choice", "tools")
        return ChatTools()
    use = _use(tools, choice, at_most_one=wire.parallel_tool_calls is False)
    if use is None:
        return ChatTools()
    _check_ends(wire, use)
    is_named = isinstance(choice, NamedTool)
    style = CallStyle(finish_reason="stop" if is_named else "tool_calls")
    return ChatTools(AskedTools(use, asked), style)


def _use(tools: tuple[Tool, ...], choice: ToolChoice, *, at_most_one: bool) -> ToolUse | None:
    match choice:
        case "none":
            return None
        case NamedTool(function=chosen):
            check_known(chosen.name, tools, param="tool_choice.function.name")
            return ToolUse(tools, frozenset((chosen.name,)), must_call=True, at_most_one=True)
        case AllowedToolsChoice(allowed_tools=allowed):
            for index, tool in enumerate(allowed.tools):
                param = f"tool_choice.allowed_tools.tools[{index}].function.name"
                check_known(tool.function.name, tools, param=param)
            names = frozenset(tool.function.name for tool in allowed.tools)
            return ToolUse(tools, names, allowed.mode == "required", at_most_one)
    names = frozenset(tool.name for tool in tools)
    return ToolUse(tools, names, choice == "required", at_most_one)


def _from_functions(wire: ChatRequest) -> ChatTools:
    """The fields that OpenAI had before `tools`: one call at most."""
    if wire.tools or wire.tool_choice is not None:
        raise RequestError(
            "'functions' is the older name of 'tools': only one of them can be given.",
            param="functions",
        )
    asked = asked_tools(wire.functions or (), "functions", "functions[{}].parameters")
    tools = tuple(each.tool for each in asked)
    choice = wire.function_call or "auto"
    if not tools:
        _check_absent(choice, "function_call", "functions")
    if not tools or choice == "none":
        return ChatTools()
    names = frozenset(tool.name for tool in tools)
    is_named = isinstance(choice, ChosenFunction)
    if isinstance(choice, ChosenFunction):
        check_known(choice.name, tools, param="function_call.name")
        names = frozenset((choice.name,))
    use = ToolUse(tools, names, is_named, at_most_one=True)
    _check_ends(wire, use)
    return ChatTools(
        AskedTools(use, asked), CallStyle(True, "stop" if is_named else "function_call")
    )


def asked_tools(
    specs: Sequence[FunctionSpec], param: str, schema_param: str
) -> tuple[AskedTool, ...]:
    """`param` holds the tools, and `schema_param` the schema of the one with that index."""
    asked = tuple(
        asked_tool(
            spec.name,
            spec.description,
            bytes(spec.parameters),
            param=schema_param.format(index),
            strict=spec.strict,
        )
        for index, spec in enumerate(specs)
    )
    check_names([each.tool for each in asked], param)
    return asked


def _check_absent(choice: object, param: str, needs: str) -> None:
    if choice not in ("none", "auto"):
        raise RequestError(f"{param!r} is only allowed with {needs!r}.", param=param)


def _check_ends(wire: ChatRequest, use: ToolUse) -> None:
    check_ends(
        {
            "stop": wire.stop if use.must_call else None,
            "stop_token_ids": wire.stop_token_ids,
            "ignore_eos": wire.ignore_eos,
            "min_tokens": wire.min_tokens,
        }
    )
