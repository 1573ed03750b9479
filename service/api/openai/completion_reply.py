"""A completion's answer, whole or as chunks."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from service.api.openai.common_schema import Usage
from service.api.openai.completion_schema import TextChoice, TextCompletion
from service.api.openai.reply import Frames, ReplyHead, event, split_at_text
from service.engine.request import FinishReason


@dataclass(frozen=True, slots=True)
class CompletionReply:
    """`with_usage` is whether a stream ends with a chunk of usage."""

    head: ReplyHead
    with_usage: bool

    def whole(self, text: str, finish_reason: FinishReason, usage: Usage) -> TextCompletion:
        return self._reply([TextChoice(text=text, finish_reason=finish_reason)], usage)

    def frames(self) -> Frames:
        before, after = split_at_text(lambda text: self._chunk(TextChoice(text=text)))
        return Frames(
            opening=b"",
            before_text=before,
            after_text=after,
            finish=lambda reason: event(self._chunk(TextChoice(text="", finish_reason=reason))),
            usage=(lambda usage: event(self._reply([], usage))) if self.with_usage else None,
        )

    def _chunk(self, choice: TextChoice) -> TextCompletion:
        return self._reply([choice], None if self.with_usage else UNSET)

    def _reply(self, choices: list[TextChoice], usage: Usage | UnsetType | None) -> TextCompletion:
        head = self.head
        return TextCompletion(
            id=head.id,
            created=head.created,
            model=head.model,
            choices=choices,
            system_fingerprint=head.system_fingerprint,
            usage=usage,
        )
