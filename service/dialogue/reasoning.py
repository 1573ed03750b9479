"""Splits a growing answer into the thoughts of a reasoning model and the answer proper.

Models write their thoughts between two tags before anything else, and some templates write the
first tag themselves (DeepSeek-R1, QwQ, Qwen3's thinking variants).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

OPEN = "<think>"
CLOSE = "</think>"


def opens_thoughts(prompt: str) -> bool:
    """Whether the prompt ends inside thoughts, so that the answer begins with them."""
    return prompt.rstrip().endswith(OPEN)


@dataclass(frozen=True, slots=True)
class Split:
    """A piece of text, taken apart."""

    reasoning: str = ""
    content: str = ""


class _Where(Enum):
    BEFORE = "nothing but white space has come"
    INSIDE = "between the tags"
    AFTER = "in the answer"


class ReasoningSplitter:
    """Whatever the pieces fed, what comes out joins to the same two texts.

    White space around the thoughts and before the answer behind them is dropped; a text without
    thoughts passes unchanged.
    """

    def __init__(self, *, starts_inside: bool) -> None:
        self._where = _Where.INSIDE if starts_inside else _Where.BEFORE
        self._held = ""
        self._drops_space = starts_inside

    @property
    def is_inside(self) -> bool:
        """Whether what comes next belongs to the thoughts."""
        return self._where is _Where.INSIDE

    def feed(self, text: str) -> Split:
        """What became certain with `text`: a part that may become a tag is held back."""
        if self._where is _Where.BEFORE:
            return self._feed_before(self._held + text)
        if self._where is _Where.INSIDE:
            return self._feed_inside(self._held + text)
        return Split(content=self._without_space(text))

    def flush(self) -> Split:
        """What was held back; the output has ended."""
        held, self._held = self._held, ""
        return Split(reasoning=held.rstrip()) if self.is_inside else Split(content=held)

    def _feed_before(self, text: str) -> Split:
        begun = text.lstrip()
        if begun.startswith(OPEN):
            self._where, self._held, self._drops_space = _Where.INSIDE, "", True
            return self._feed_inside(begun.removeprefix(OPEN))
        if OPEN.startswith(begun):
            self._held = text
            return Split()
        self._where, self._held = _Where.AFTER, ""
        return Split(content=text)

    def _feed_inside(self, text: str) -> Split:
        text = self._without_space(text)
        thoughts, tag, answer = text.partition(CLOSE)
        if tag:
            self._where, self._held, self._drops_space = _Where.AFTER, "", True
            return Split(thoughts.rstrip(), self._without_space(answer))
        certain = text[: len(text) - _tag_begun(text)].rstrip()
        self._held = text[len(certain) :]
        return Split(reasoning=certain)

    def _without_space(self, text: str) -> str:
        if self._drops_space:
            text = text.lstrip()
            self._drops_space = not text
        return text


def _tag_begun(text: str) -> int:
    """How many characters at the end of `text` may begin the closing tag."""
    return next(
        (n for n in range(min(len(CLOSE) - 1, len(text)), 0, -1) if text.endswith(CLOSE[:n])), 0
    )
