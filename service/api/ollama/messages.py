"""From the messages of a request to those of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from service.api.ollama.schema import OllamaMessage
from service.api.past_calls import PastCalls, past_call
from service.dialogue.message import Message
from service.dialogue.tools.tool import ToolCall
from service.errors import RequestError


def to_messages(wire: Sequence[OllamaMessage]) -> list[Message]:
    """Raises RequestError for calls and results that are none."""
    reader = _Reader()
    return [reader.read(f"messages[{index}]", message) for index, message in enumerate(wire)]


def continues_answer(messages: Sequence[Message]) -> bool:
    """Whether the answer goes on with the last message: an assistant's that calls nothing."""
    return messages[-1].role == "assistant" and not messages[-1].tool_calls


def check_continuation(messages: Sequence[Message]) -> None:
    """Raises RequestError where there is nothing to go on with."""
    if continues_answer(messages) and not messages[-1].content:
        raise RequestError(
            "The final assistant message must have content, to be continued.", param="messages"
        )


class _Reader:
    """Reads one conversation, from its first message to its last.

    Where a result does not say by an id which call it answers, it answers the first one that still
    waits, of the tool that it names if it does.
    """

    def __init__(self) -> None:
        self._past = PastCalls()
        self._waiting: list[ToolCall] = []
        self._num_calls = 0

    def read(self, param: str, wire: OllamaMessage) -> Message:
        if wire.role == "tool":
            return self._result(param, wire)
        if (wire.tool_calls or wire.thinking) and wire.role != "assistant":
            raise RequestError(
                "Only messages of the assistant have thinking and tool_calls.", param=param
            )
        calls = tuple(
            self._call(f"{param}.tool_calls[{index}]", wire, index)
            for index in range(len(wire.tool_calls or ()))
        )
        return Message(
            wire.role, wire.content or "", reasoning=wire.thinking or None, tool_calls=calls
        )

    def _call(self, param: str, wire: OllamaMessage, index: int) -> ToolCall:
        assert wire.tool_calls is not None
        given = wire.tool_calls[index]
        self._num_calls += 1
        call = past_call(
            given.id or f"call_{self._num_calls}",
            given.function.name,
            msgspec.json.encode(given.function.arguments).decode(),
            param=f"{param}.function.arguments",
        )
        self._past.made(call)
        self._waiting.append(call)
        return call

    def _result(self, param: str, wire: OllamaMessage) -> Message:
        name = self._past.answered(wire.tool_call_id, param=f"{param}.tool_call_id")
        call = next((each for each in self._waiting if _answers(wire, each)), None)
        if call is not None:
            self._waiting.remove(call)
        call_id = wire.tool_call_id or (None if call is None else call.id)
        name = name or wire.tool_name or (None if call is None else call.name)
        return Message("tool", wire.content or "", name, tool_call_id=call_id)


def _answers(wire: OllamaMessage, call: ToolCall) -> bool:
    if wire.tool_call_id is not None:
        return call.id == wire.tool_call_id
    return wire.tool_name in (None, call.name)
