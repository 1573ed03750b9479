"""From a request's fields to the tools that its answer may call."""

from __future__ import annotations

from service.api.anthropic.schema import CountTokensRequest, MessagesRequest
from service.api.anthropic.tool_schema import AnyChoice, AutoChoice, NamedChoice, NoChoice
from service.api.tools import AskedTools, asked_tool, check_ends, check_known, check_names
from service.dialogue.tools.tool import ToolUse
from service.errors import RequestError


def asked_tools(wire: CountTokensRequest) -> AskedTools | None:
    """None where no tool may be called. Raises RequestError for tools that are none, and for
    choices that there are not."""
    asked = tuple(
        asked_tool(
            tool.name,
            tool.description,
            bytes(tool.input_schema),
            param=f"tools[{index}].input_schema",
            strict=tool.strict,
        )
        for index, tool in enumerate(wire.tools or ())
    )
    tools = tuple(each.tool for each in asked)
    check_names(tools, "tools")
    choice = wire.tool_choice or AutoChoice()
    if not asked and isinstance(choice, AnyChoice | NamedChoice):
        raise RequestError("'tool_choice' is only allowed with 'tools'.", param="tool_choice")
    if not asked or isinstance(choice, NoChoice):
        return None
    names = frozenset(tool.name for tool in tools)
    if isinstance(choice, NamedChoice):
        check_known(choice.name, tools, param="tool_choice.name")
        names = frozenset((choice.name,))
    must_call = not isinstance(choice, AutoChoice)
    at_most_one = bool(choice.disable_parallel_tool_use)
    return AskedTools(ToolUse(tools, names, must_call, at_most_one), asked)


def check_tool_ends(wire: MessagesRequest, asked: AskedTools | None) -> None:
    """Raises RequestError for texts that would cut calls which must come."""
    if asked is not None and asked.use.must_call:
        check_ends({"stop_sequences": wire.stop_sequences})
