"""The calls of a chat completion's answer, whole or as deltas."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from service.api.openai.chat_schema import MessageDelta
from service.api.openai.tool_schema import (
    CalledFunction,
    FunctionDelta,
    ToolCallDelta,
    ToolCallOut,
)
from service.dialogue.answer import CallDelta
from service.dialogue.tools.tool import ToolCall


def called_function(call: ToolCall) -> CalledFunction:
    """A call as the older API has it, and the newer one within its own."""
    return CalledFunction(call.name, call.arguments)


def tool_calls_out(calls: Sequence[ToolCall]) -> list[ToolCallOut]:
    return [ToolCallOut(id=call.id, function=called_function(call)) for call in calls]


def call_delta(delta: CallDelta, *, is_function: bool) -> MessageDelta:
    """`is_function`: as the older API has it."""
    name = UNSET if delta.name is None else delta.name
    function = FunctionDelta(name=name, arguments=delta.arguments)
    if is_function:
        return MessageDelta(function_call=function)
    call = ToolCallDelta(
        index=delta.index,
        id=UNSET if delta.id is None else delta.id,
        type=UNSET if delta.name is None else "function",
        function=function,
    )
    return MessageDelta(tool_calls=[call])
