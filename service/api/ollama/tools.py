"""From a request's tools to those that its answer may call."""

from __future__ import annotations

from service.api.ollama.schema import OllamaChatRequest
from service.api.openai.tools import asked_tools
from service.api.tools import AskedTools
from service.dialogue.tools.tool import ToolUse


def chat_tools(wire: OllamaChatRequest) -> AskedTools | None:
    """Any of them may be called, any number of times; None where there are none.

    Raises RequestError for tools that are none.
    """
    specs = [tool.function for tool in wire.tools or ()]
    asked = asked_tools(specs, "tools", "tools[{}].function.parameters")
    if not asked:
        return None
    tools = tuple(each.tool for each in asked)
    return AskedTools(ToolUse(tools, frozenset(tool.name for tool in tools)), asked)
