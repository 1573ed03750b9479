"""What a chat template is given: messages and tools, as transformers passes them.

Every text in them that came with a request is shielded, so that none becomes a control token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.dialogue.tools.tool import Tool, ToolCall

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Hide: TypeAlias = Callable[[str], str]


def message_value(message: Message, hide: Hide, options: TemplateOptions) -> dict[str, Value]:
    """A message by the names that templates know its parts by."""
    texts = (
        ("role", message.role),
        ("content", message.content),
        *_optional(message, options.thoughts_key),
    )
    value: dict[str, Value] = {name: hide(text) for name, text in texts}
    if message.tool_calls:
        value["tool_calls"] = [
            _call_value(call, hide, arguments_are_text=options.arguments_are_text)
            for call in message.tool_calls
        ]
    return value


def tool_value(tool: Tool, hide: Hide) -> dict[str, Value]:
    """A tool as OpenAI's API states it, which is what templates were written for."""
    function: dict[str, Value] = {"name": hide(tool.name)}
    if tool.description is not None:
        function["description"] = hide(tool.description)
    function["parameters"] = _hidden(json.loads(tool.parameters), hide)
    return {"type": "function", "function": function}


def texts_of(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[str]:
    """Every text that came with the request, escapes in JSON among them resolved."""
    for message in messages:
        yield from (message.role, message.content)
        yield from (text for _, text in _optional(message, ""))
        for call in message.tool_calls:
            yield from (call.id, call.name, call.arguments)
            yield from _texts_in(json.loads(call.arguments))
    for tool in tools:
        yield from (tool.name, tool.description or "")
        yield from _texts_in(json.loads(tool.parameters))


def _optional(message: Message, thoughts_key: str) -> list[tuple[str, str]]:
    fields = (
        ("name", message.name),
        (thoughts_key, message.reasoning),
        ("tool_call_id", message.tool_call_id),
    )
    return [(name, text) for name, text in fields if text is not None]


def _call_value(call: ToolCall, hide: Hide, *, arguments_are_text: bool) -> dict[str, Value]:
    arguments = (
        hide(call.arguments) if arguments_are_text else _hidden(json.loads(call.arguments), hide)
    )
    function: dict[str, Value] = {"name": hide(call.name), "arguments": arguments}
    return {"id": hide(call.id), "type": "function", "function": function}


def _hidden(value: Value, hide: Hide) -> Value:
    """The value with its texts shielded, keys among them."""
    match value:
        case str():
            return hide(value)
        case list():
            return [_hidden(item, hide) for item in value]
        case dict():
            return {hide(key): _hidden(item, hide) for key, item in value.items()}
    return value


def _texts_in(value: Value) -> Iterator[str]:
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case list() as items:
                pending += items
            case dict() as mapping:
                yield from mapping
                pending += mapping.values()
