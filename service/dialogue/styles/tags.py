"""Thoughts between two tags, before anything else; some templates write the first tag themselves
(DeepSeek-R1, QwQ, Qwen3's thinking variants)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from service.dialogue.message import Message
from service.dialogue.styles.start import Start
from service.dialogue.styles.style import Frame, Span, Split

_NOTHING = Span()


@dataclass(frozen=True, slots=True)
class Tags:
    """A Style. `text` is what the answer proper stands between, and `turn` what all of the model's
    turns begin with, where control tokens mark that."""

    name: str
    open: str
    close: str
    text: Span = _NOTHING
    turn: str = ""

    stop_tokens = ()
    thoughts_key = "reasoning_content"

    @property
    def marks(self) -> tuple[str, ...]:
        return (self.open, self.close, *filter(None, (self.text.before, self.text.after)))

    @property
    def frame(self) -> Frame:
        return Frame(Span(self.open, self.close), self.text)

    def start(self, prompt: str) -> Start:
        if self.turn and self.text.before in prompt.rpartition(self.turn)[2]:
            return Start.TEXT
        return Start.THOUGHTS if prompt.rstrip().endswith(self.open) else Start.ANSWER

    def splitter(self, *, starts_inside: bool) -> TagSplitter:
        return TagSplitter(self, starts_inside=starts_inside)

    def told(self, message: Message) -> Message:
        return message


THINK = Tags("think", "<think>", "</think>")

THINK_BRACKETS = Tags("think-brackets", "[THINK]", "[/THINK]")
"""Magistral."""

SEED_THINK = Tags("seed-think", "<seed:think>", "</seed:think>")

START_THINKING = Tags(
    "start-thinking",
    "<|START_THINKING|>",
    "<|END_THINKING|>",
    Span("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    "<|CHATBOT_TOKEN|>",
)
"""Command R7B and Command A."""


class _Where(Enum):
    BEFORE = "nothing but white space has come"
    INSIDE = "between the tags"
    AFTER = "in the answer"


class TagSplitter:
    """A Splitter. White space around the thoughts and before the answer behind them is dropped; a
    text without thoughts passes unchanged."""

    tells_calls = False
    is_between = False

    def __init__(self, tags: Tags, *, starts_inside: bool) -> None:
        self._tags = tags
        self._where = _Where.INSIDE if starts_inside else _Where.BEFORE
        self._held = ""
        self._drops_space = starts_inside

    @property
    def is_inside(self) -> bool:
        return self._where is _Where.INSIDE

    def feed(self, text: str) -> Split:
        """A part that may become a tag is held back."""
        if self._where is _Where.BEFORE:
            return self._feed_before(self._held + text)
        if self._where is _Where.INSIDE:
            return self._feed_inside(self._held + text)
        return Split(content=self._without_space(text))

    def mark(self, token: str) -> Split:
        if token not in (self._tags.text.before, self._tags.text.after):
            return self.feed(token)
        if self._where is _Where.BEFORE:
            self._where, self._held = _Where.AFTER, ""
        return Split()

    def end_thoughts(self) -> Split:
        return self.feed(self._tags.close) if self.is_inside else Split()

    def flush(self) -> Split:
        held, self._held = self._held, ""
        return Split(reasoning=held.rstrip()) if self.is_inside else Split(content=held)

    def _feed_before(self, text: str) -> Split:
        begun, tag = text.lstrip(), self._tags.open
        if begun.startswith(tag):
            self._where, self._held, self._drops_space = _Where.INSIDE, "", True
            return self._feed_inside(begun.removeprefix(tag))
        if tag.startswith(begun):
            self._held = text
            return Split()
        self._where, self._held = _Where.AFTER, ""
        return Split(content=text)

    def _feed_inside(self, text: str) -> Split:
        text = self._without_space(text)
        thoughts, tag, answer = text.partition(self._tags.close)
        if tag:
            self._where, self._held, self._drops_space = _Where.AFTER, "", True
            return Split(thoughts.rstrip(), self._without_space(answer))
        certain = text[: len(text) - _begun(text, self._tags.close)].rstrip()
        self._held = text[len(certain) :]
        return Split(reasoning=certain)

    def _without_space(self, text: str) -> str:
        if self._drops_space:
            text = text.lstrip()
            self._drops_space = not text
        return text


def _begun(text: str, tag: str) -> int:
    """How many characters at the end of `text` may begin the tag."""
    longest = min(len(tag) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(tag[:n])), 0)
