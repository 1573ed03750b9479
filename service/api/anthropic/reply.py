"""The answer to /v1/messages, whole or as events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import UNSET

from service.api.anthropic.errors import anthropic_error
from service.api.anthropic.events import (
    BlockDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    InputJsonDelta,
    MessageDeltaEvent,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    Stop,
    TextDelta,
    ThinkingDelta,
)
from service.api.anthropic.schema import (
    ContentBlock,
    MessageObject,
    MessageUsage,
    OutputTokensDetails,
    TextBlock,
    ThinkingBlock,
)
from service.api.anthropic.tool_schema import ToolUseBlock
from service.api.facade import Delta, Generation
from service.api.openai.common_schema import RelaxedKeywords
from service.api.patience import StreamDialect
from service.api.sse import named_event
from service.api.whole import Answer, is_whole
from service.dialogue.answer import CallDelta
from service.engine.request import FinishReason
from service.errors import RetortError

PING: Final = named_event(Ping())

_NO_INPUT: Final = msgspec.Raw(b"{}")


EVENTS: Final = StreamDialect(PING, lambda error: named_event(anthropic_error(error)))
"""How a stream waits for its model."""


@dataclass(frozen=True, slots=True)
class MessageHead:
    """`model` is the name that the request gave; `max_tokens` the limit that it set."""

    id: str
    model: str
    max_tokens: int
    relaxed_keywords: RelaxedKeywords = UNSET

    def message(
        self, generation: Generation, content: list[ContentBlock], stop: Stop | None
    ) -> MessageObject:
        return MessageObject(
            id=self.id,
            model=self.model,
            content=content,
            stop_reason=None if stop is None else stop.stop_reason,
            stop_sequence=None if stop is None else stop.stop_sequence,
            usage=usage_of(generation),
            relaxed_keywords=self.relaxed_keywords,
        )

    def stop(self, generation: Generation, finish_reason: FinishReason, *, has_calls: bool) -> Stop:
        """Why the answer ended. An answer that ends short of its limit has filled the context."""
        if finish_reason == "length":
            is_full = generation.num_output_tokens < self.max_tokens
            return Stop("model_context_window_exceeded" if is_full else "max_tokens", None)
        if isinstance(generation.stop_reason, str):
            return Stop("stop_sequence", generation.stop_reason)
        return Stop("tool_use" if has_calls else "end_turn", None)


@dataclass(frozen=True, slots=True)
class MessageReply:
    """The whole answer."""

    head: MessageHead

    def make(self, answers: Sequence[Answer]) -> MessageObject:
        (answer,) = answers
        content: list[ContentBlock] = []
        if answer.reasoning:
            content.append(ThinkingBlock(answer.reasoning))
        if answer.text:
            content.append(TextBlock(answer.text))
        content += [
            ToolUseBlock(call.id, call.name, msgspec.Raw(call.arguments.encode()))
            for call in answer.calls
            if is_whole(call)
        ]
        stop = self.head.stop(answer.generation, answer.finish_reason, has_calls=bool(answer.calls))
        return self.head.message(answer.generation, content, stop)


@dataclass(slots=True)
class MessageEvents:
    """The same as events; an EventWriter.

    Blocks follow each other: one is stopped before the next one, of another kind, is started.
    """

    head: MessageHead
    generation: Generation
    _open: ContentBlock | None = field(default=None, init=False)
    _num_started: int = field(default=0, init=False)
    _finish_reason: FinishReason | None = field(default=None, init=False)
    _has_calls: bool = field(default=False, init=False)

    def opening(self) -> bytes:
        message = self.head.message(self.generation, [], None)
        return named_event(MessageStart(message)) + PING

    def delta(self, _index: int, delta: Delta) -> bytes:
        events = b""
        if delta.reasoning:
            events += self._within(ThinkingBlock(""), ThinkingDelta(delta.reasoning))
        if delta.text:
            events += self._within(TextBlock(""), TextDelta(delta.text))
        for call in delta.calls:
            events += self._call(call)
        self._finish_reason = delta.finish_reason
        return events

    def closing(self) -> bytes:
        assert self._finish_reason is not None
        stop = self.head.stop(self.generation, self._finish_reason, has_calls=self._has_calls)
        return (
            self._stopped()
            + named_event(MessageDeltaEvent(stop, usage_of(self.generation)))
            + named_event(MessageStop())
        )

    def failure(self, error: RetortError) -> bytes:
        return named_event(anthropic_error(error))

    def _within(self, block: ContentBlock, delta: BlockDelta) -> bytes:
        """The delta in a block of that kind, which is started unless it is the open one."""
        events = b"" if type(self._open) is type(block) else self._started(block)
        return events + named_event(ContentBlockDelta(self._num_started - 1, delta))

    def _call(self, call: CallDelta) -> bytes:
        """Each call is a block of its own."""
        events = b""
        if call.name is not None:
            self._has_calls = True
            events = self._started(ToolUseBlock(call.id or "", call.name, _NO_INPUT))
        if not call.arguments:
            return events
        delta = InputJsonDelta(call.arguments)
        return events + named_event(ContentBlockDelta(self._num_started - 1, delta))

    def _started(self, block: ContentBlock) -> bytes:
        """The end of the open block, and the start of this one."""
        events = self._stopped() + named_event(ContentBlockStart(self._num_started, block))
        self._open = block
        self._num_started += 1
        return events

    def _stopped(self) -> bytes:
        """The end of the open block, if there is one."""
        if self._open is None:
            return b""
        index, events = self._num_started - 1, b""
        if isinstance(self._open, ThinkingBlock):
            events += named_event(ContentBlockDelta(index, SignatureDelta("")))
        self._open = None
        return events + named_event(ContentBlockStop(index))


def usage_of(generation: Generation) -> MessageUsage:
    """As far as it has come."""
    num_cached = generation.num_cached_tokens
    return MessageUsage(
        input_tokens=generation.num_prompt_tokens - num_cached,
        cache_read_input_tokens=num_cached,
        output_tokens=generation.num_output_tokens,
        output_tokens_details=OutputTokensDetails(generation.num_reasoning_tokens),
    )
