"""One turn of a conversation."""

from __future__ import annotations

from dataclasses import dataclass

from service.dialogue.tools.tool import ToolCall


@dataclass(frozen=True, slots=True)
class Message:
    """`role` is "system", "user", "assistant" or whatever else the model's template knows.

    `reasoning` are an assistant's thoughts, which templates drop from all turns but the latest;
    `tool_calls` are the calls that an assistant made; `tool_call_id` says which of them a tool's
    message answers, and `name` then is that tool's.
    """

    role: str
    content: str
    name: str | None = None
    reasoning: str | None = None
    tool_call_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
