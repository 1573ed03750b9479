"""From a request's fields to the tools that its answer may call."""

from __future__ import annotations

from service.api.openai.responses.schema import InputTokensRequest
from service.api.openai.responses.tool_schema import AllowedTools, NamedTool
from service.api.tools import AskedTools, asked_tool, check_known, check_names
from service.dialogue.tools.tool import Tool, ToolUse
from service.errors import RequestError


def asked_tools(wire: InputTokensRequest) -> AskedTools | None:
    """None where no tool may be called. Raises RequestError for tools that are none, and for
    choices that there are not."""
    asked = tuple(
        asked_tool(
            tool.name,
            tool.description,
            bytes(tool.parameters),
            param=f"tools[{index}].parameters",
            strict=tool.strict,
        )
        for index, tool in enumerate(wire.tools or ())
    )
    tools = tuple(each.tool for each in asked)
    check_names(tools, "tools")
    if not asked and wire.tool_choice not in (None, "none", "auto"):
        raise RequestError("'tool_choice' is only allowed with 'tools'.", param="tool_choice")
    if not asked or wire.tool_choice == "none":
        return None
    return AskedTools(_use(tools, wire), asked)


def _use(tools: tuple[Tool, ...], wire: InputTokensRequest) -> ToolUse:
    at_most_one = wire.parallel_tool_calls is False
    match wire.tool_choice:
        case NamedTool(name=name):
            check_known(name, tools, param="tool_choice.name")
            return ToolUse(tools, frozenset((name,)), must_call=True, at_most_one=True)
        case AllowedTools(mode=mode, tools=allowed):
            for index, tool in enumerate(allowed):
                check_known(tool.name, tools, param=f"tool_choice.tools[{index}].name")
            names = frozenset(tool.name for tool in allowed)
            return ToolUse(tools, names, mode == "required", at_most_one)
    names = frozenset(tool.name for tool in tools)
    return ToolUse(tools, names, wire.tool_choice == "required", at_most_one)
