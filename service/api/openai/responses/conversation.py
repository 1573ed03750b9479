"""From the items of a conversation to the messages of a dialogue."""

from __future__ import annotations

from collections.abc import Iterable

from service.api.openai.responses.items import (
    FunctionCallItem,
    FunctionOutputItem,
    Item,
    MessageItem,
    ReasoningItem,
)
from service.api.past_calls import PastCalls, past_call
from service.dialogue.message import Message
from service.dialogue.tools.tool import ToolCall


def to_messages(items: Iterable[Item], instructions: str | None) -> list[Message]:
    """Thoughts, an answer's text and calls that follow each other are one turn of the assistant.

    Raises RequestError for calls without arguments that are an object, and for results of calls
    that were not made.
    """
    turns = _Turns()
    if instructions is not None:
        turns.add(Message("system", instructions))
    for item in items:
        turns.take(item)
    turns.end_answer()
    return turns.messages


class _Turns:
    """Gathers the messages; the assistant's turn under way is not yet among them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._past = PastCalls()
        self._thoughts: str | None = None
        self._text: str | None = None
        self._calls: list[ToolCall] = []

    def take(self, item: Item) -> None:
        match item:
            case ReasoningItem():
                if self._text is not None or self._calls:
                    self.end_answer()
                self._thoughts = (self._thoughts or "") + _thoughts(item)
            case FunctionCallItem():
                call = past_call(item.call_id, item.name, item.arguments, param="input")
                self._past.made(call)
                self._calls.append(call)
            case FunctionOutputItem():
                name = self._past.answered(item.call_id, param="input")
                self.add(Message("tool", item.text, name, tool_call_id=item.call_id))
            case MessageItem():
                self._take_message(item)

    def add(self, message: Message) -> None:
        """A turn of anybody but the assistant."""
        self.end_answer()
        self.messages.append(message)

    def end_answer(self) -> None:
        if self._thoughts is None and self._text is None and not self._calls:
            return
        answer = Message(
            "assistant",
            self._text or "",
            reasoning=self._thoughts,
            tool_calls=tuple(self._calls),
        )
        self.messages.append(answer)
        self._thoughts, self._text = None, None
        self._calls.clear()

    def _take_message(self, item: MessageItem) -> None:
        text = "".join(part.text for part in item.content)
        if item.role != "assistant":
            self.add(Message("system" if item.role == "developer" else item.role, text))
            return
        if self._text is not None or self._calls:
            self.end_answer()
        self._text = text


def _thoughts(item: ReasoningItem) -> str:
    return "".join(part.text for part in item.content or item.summary)
