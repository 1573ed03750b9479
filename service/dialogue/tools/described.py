"""Tools for models whose template knows of none: described in words, and calls shown as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from service.dialogue.message import Message
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.tool import Tool, ToolCall

_EXAMPLE = ToolCall("", "function_name", '{"parameter_name": "value"}')


def described(
    messages: Sequence[Message], tools: Sequence[Tool], form: ToolFormat, *, has_system: bool
) -> list[Message]:
    """The same conversation in roles that every template knows.

    `tools` are described in the system's message, or, where the template has none (without
    `has_system`), in the first user's. Past calls become text of their message, and their results
    a user's message.
    """
    plain = _results_joined([_with_calls_as_text(each, form) for each in messages])
    if not tools:
        return plain
    description = _description(tools, form)
    if has_system:
        return _in_system(plain, description)
    return _in_first_of_user(plain, description)


def _description(tools: Sequence[Tool], form: ToolFormat) -> str:
    lines = "\n".join(_signature(tool) for tool in tools)
    return (
        "You can call functions. These are the functions, one JSON object a line:\n"
        f"{lines}\n\n"
        "To call a function, answer with nothing but its name and its arguments, in this form:\n"
        f"{form.written([_EXAMPLE])}\n"
        "If no function helps, answer in plain words."
    )


def _signature(tool: Tool) -> str:
    description = {} if tool.description is None else {"description": tool.description}
    parameters = json.loads(tool.parameters)
    return json.dumps(
        {"name": tool.name, **description, "parameters": parameters}, ensure_ascii=False
    )


def _with_calls_as_text(message: Message, form: ToolFormat) -> Message:
    if not message.tool_calls:
        return message
    parts = [message.content, form.written(message.tool_calls)]
    return replace(message, content="\n".join(filter(None, parts)), tool_calls=())


def _results_joined(messages: Sequence[Message]) -> list[Message]:
    """The results of one turn's calls are one message: templates want roles to alternate."""
    joined: list[Message] = []
    for are_results, group in groupby(messages, lambda message: message.role == "tool"):
        if are_results:
            results = (f"<tool_response>\n{each.content}\n</tool_response>" for each in group)
            joined.append(Message("user", "\n".join(results)))
        else:
            joined += group
    return joined


def _in_system(messages: Sequence[Message], description: str) -> list[Message]:
    first, *others = messages
    if first.role != "system":
        return [Message("system", description), *messages]
    return [replace(first, content=f"{first.content}\n\n{description}".lstrip()), *others]


def _in_first_of_user(messages: Sequence[Message], description: str) -> list[Message]:
    for index, message in enumerate(messages):
        if message.role == "user":
            told = replace(message, content=f"{description}\n\n{message.content}")
            return [*messages[:index], told, *messages[index + 1 :]]
    return [Message("user", description), *messages]
