"""Grammars of whole answers, for models that mark every part of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.constraints.lark import LarkWriter
from service.dialogue.styles.start import Start
from service.dialogue.styles.style import Frame, Span


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    """What an answer is put together from, and where the prompt leaves off."""

    frame: Frame
    start: Start = Start.ANSWER

    def before_text(self, control_ids: Mapping[str, int]) -> str | None:
        """The grammar of what leads up to an answer's text, thoughts included; None where the
        prompt has done so. `control_ids` are the model's tokens that are no text."""
        if self.start is Start.TEXT:
            return None
        writer = LarkWriter(control_ids)
        return writer.grammar(
            f"{self.thoughts(writer)} {writer.literal(self.frame.text.before)}".lstrip()
        )

    def thoughts(self, writer: LarkWriter) -> str:
        """Any number of them, the first of which the prompt may have begun."""
        span = self.frame.thoughts
        any_number = f"({spanned(writer, span)})*"
        if self.start is not Start.THOUGHTS:
            return any_number
        return f"{writer.text()}? {writer.literal(span.after)} {any_number}"

    def preambles(self, writer: LarkWriter) -> str:
        """Any number of texts that come before a call."""
        span = self.frame.preamble
        return "" if span is None else f"({spanned(writer, span)})*"


def spanned(writer: LarkWriter, span: Span, text: str | None = None) -> str:
    """`text`, any if that is None, between what belongs around it."""
    inner = f"{writer.text()}?" if text is None else text
    return f"{writer.literal(span.before)} {inner} {writer.literal(span.after)}"
