"""A chat completion's answer, whole or as chunks."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from service.api.openai.chat_schema import (
    AnswerMessage,
    ChatChunk,
    ChatCompletion,
    Choice,
    ChunkChoice,
    MessageDelta,
)
from service.api.openai.common_schema import Usage
from service.api.openai.reply import Frames, ReplyHead, event, split_at_text
from service.engine.request import FinishReason

_FIRST = MessageDelta(role="assistant", content="", refusal=None)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """`with_usage` is whether a stream ends with a chunk of usage."""

    head: ReplyHead
    with_usage: bool

    def whole(self, text: str, finish_reason: FinishReason, usage: Usage) -> ChatCompletion:
        choice = Choice(message=AnswerMessage(content=text), finish_reason=finish_reason)
        head = self.head
        return ChatCompletion(
            id=head.id,
            created=head.created,
            model=head.model,
            choices=[choice],
            usage=usage,
            system_fingerprint=head.system_fingerprint,
        )

    def frames(self) -> Frames:
        before, after = split_at_text(lambda text: self._delta(MessageDelta(content=text)))
        return Frames(
            opening=event(self._delta(_FIRST)),
            before_text=before,
            after_text=after,
            finish=lambda reason: event(self._delta(MessageDelta(), reason)),
            usage=(lambda usage: event(self._chunk([], usage))) if self.with_usage else None,
        )

    def _delta(self, delta: MessageDelta, finish_reason: FinishReason | None = None) -> ChatChunk:
        return self._chunk([ChunkChoice(delta=delta, finish_reason=finish_reason)], None)

    def _chunk(self, choices: list[ChunkChoice], usage: Usage | None) -> ChatChunk:
        head = self.head
        return ChatChunk(
            id=head.id,
            created=head.created,
            model=head.model,
            choices=choices,
            system_fingerprint=head.system_fingerprint,
            usage=usage if self.with_usage else UNSET,
        )
