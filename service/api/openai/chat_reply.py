"""A chat completion's answer, whole or as chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET

from service.api.facade import Delta, Generation
from service.api.openai.call_reply import call_delta, called_function, tool_calls_out
from service.api.openai.chat_schema import (
    AnswerMessage,
    ChatChunk,
    ChatCompletion,
    Choice,
    ChunkChoice,
    MessageDelta,
)
from service.api.openai.common_schema import FinishReason, Usage
from service.api.openai.logprobs import ChatLogprobs, TokenBytes, chat_logprobs
from service.api.openai.reply import (
    DONE,
    ReplyHead,
    TextFrame,
    UsageIn,
    event,
    failure_events,
    stop_reason_of,
    usage_of,
)
from service.api.openai.tools import CallStyle
from service.api.whole import Answer
from service.errors import RetortError


def _finish_reason(reason: FinishReason, has_calls: bool, style: CallStyle) -> FinishReason:
    return style.finish_reason if has_calls and reason == "stop" else reason


_FIRST = MessageDelta(role="assistant", content="", refusal=None)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The whole answer; `token_bytes` is None where no logprobs were asked for."""

    head: ReplyHead
    token_bytes: TokenBytes | None
    style: CallStyle

    def make(self, answers: Sequence[Answer]) -> ChatCompletion:
        head = self.head
        return ChatCompletion(
            id=head.id,
            created=head.created,
            model=head.model,
            choices=[self._choice(index, answer) for index, answer in enumerate(answers)],
            usage=usage_of([answer.generation for answer in answers], len(answers)),
            system_fingerprint=head.system_fingerprint,
            relaxed_keywords=head.relaxed_keywords,
        )

    def _choice(self, index: int, answer: Answer) -> Choice:
        token_bytes = self.token_bytes
        return Choice(
            index=index,
            message=self._message(answer),
            logprobs=None if token_bytes is None else chat_logprobs(answer.logprobs, token_bytes),
            finish_reason=_finish_reason(answer.finish_reason, bool(answer.calls), self.style),
            stop_reason=stop_reason_of(answer.generation),
        )

    def _message(self, answer: Answer) -> AnswerMessage:
        thoughts = answer.reasoning or UNSET
        calls = answer.calls
        as_function = bool(calls) and self.style.is_function
        return AnswerMessage(
            content=None if calls and not answer.text else answer.text,
            reasoning_content=thoughts,
            reasoning=thoughts,
            tool_calls=UNSET if as_function or not calls else tool_calls_out(calls),
            function_call=called_function(calls[0]) if as_function else UNSET,
        )


@dataclass(slots=True)
class ChatChunks:
    """The same as chunks; an EventWriter."""

    head: ReplyHead
    generations: Sequence[Generation]
    token_bytes: TokenBytes | None
    usage_in: UsageIn
    style: CallStyle
    _calling: set[int] = field(default_factory=set)
    _frames: dict[int, TextFrame] = field(default_factory=dict)

    def opening(self) -> bytes:
        """Each choice's role, which must come once and in the order of the choices."""
        return b"".join(self._event(i, _FIRST) for i in range(len(self.generations)))

    def delta(self, index: int, delta: Delta) -> bytes:
        events = b""
        if delta.reasoning:
            thoughts = MessageDelta(reasoning_content=delta.reasoning, reasoning=delta.reasoning)
            events += self._event(index, thoughts)
        if self.token_bytes is not None and (delta.text or delta.logprobs):
            logprobs = chat_logprobs(delta.logprobs, self.token_bytes)
            events += self._event(index, MessageDelta(content=delta.text), logprobs)
        elif delta.text:
            events += self._text(index, delta.text)
        for call in delta.calls:
            self._calling.add(index)
            events += self._event(index, call_delta(call, is_function=self.style.is_function))
        if delta.finish_reason is not None:
            choice = ChunkChoice(
                index=index,
                delta=MessageDelta(),
                finish_reason=_finish_reason(
                    delta.finish_reason, index in self._calling, self.style
                ),
                stop_reason=stop_reason_of(self.generations[index]),
            )
            events += event(self._chunk([choice], self._usage_so_far()))
        return events

    def closing(self) -> bytes:
        if self.usage_in is UsageIn.NO_CHUNK:
            return DONE
        return event(self._chunk([], self._usage())) + DONE

    def failure(self, error: RetortError) -> bytes:
        return failure_events(error)

    def _text(self, index: int, text: str) -> bytes:
        if self.usage_in is UsageIn.EVERY_CHUNK:
            return self._event(index, MessageDelta(content=text))
        frame = self._frames.get(index)
        if frame is None:
            frame = self._frames[index] = TextFrame.of(
                lambda text: self._chunk(
                    [ChunkChoice(index=index, delta=MessageDelta(content=text))], None
                )
            )
        return frame.around(text)

    def _event(
        self, index: int, delta: MessageDelta, logprobs: ChatLogprobs | None = None
    ) -> bytes:
        choice = ChunkChoice(index=index, delta=delta, logprobs=logprobs)
        return event(self._chunk([choice], self._usage_so_far()))

    def _usage_so_far(self) -> Usage | None:
        return self._usage() if self.usage_in is UsageIn.EVERY_CHUNK else None

    def _usage(self) -> Usage:
        return usage_of(self.generations, len(self.generations))

    def _chunk(self, choices: list[ChunkChoice], usage: Usage | None) -> ChatChunk:
        head = self.head
        return ChatChunk(
            id=head.id,
            created=head.created,
            model=head.model,
            choices=choices,
            system_fingerprint=head.system_fingerprint,
            relaxed_keywords=head.relaxed_keywords,
            usage=UNSET if self.usage_in is UsageIn.NO_CHUNK else usage,
        )
