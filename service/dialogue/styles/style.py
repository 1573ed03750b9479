"""What a style of answers is: how thoughts, text and calls are told apart in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from service.dialogue.message import Message
from service.dialogue.styles.start import Start


@dataclass(frozen=True, slots=True)
class Split:
    """A piece of an answer, taken apart. `calls` is text of calls, from splitters that tell it
    from content."""

    reasoning: str = ""
    content: str = ""
    calls: str = ""


class Splitter(Protocol):
    """Takes one growing answer apart; whatever the pieces fed, what comes out joins to the same
    texts. Takes time in proportion to the text."""

    @property
    def tells_calls(self) -> bool:
        """Whether calls come apart from content, which else may hold some."""
        ...

    @property
    def is_inside(self) -> bool:
        """Whether what comes next belongs to the thoughts."""
        ...

    @property
    def is_between(self) -> bool:
        """Whether what comes next says what follows, and is no part of it."""
        ...

    def feed(self, text: str) -> Split:
        """What became certain with `text`, in which no control token is."""
        ...

    def mark(self, token: str) -> Split:
        """The same with a control token, one of its style's marks."""
        ...

    def end_thoughts(self) -> Split:
        """What comes next is content, whatever the model has written so far."""
        ...

    def flush(self) -> Split:
        """What was held back; the answer has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """What stands before a text and behind it."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What an answer is put together from: thoughts, and then text, or preambles and calls."""

    thoughts: Span
    text: Span = Span()
    preamble: Span | None = None

    @property
    def is_marked(self) -> bool:
        """Whether text, too, has a mark before it, so that nothing stands without one."""
        return bool(self.text.before)


class Style(Protocol):
    """One way to tell thoughts, text and calls apart."""

    @property
    def name(self) -> str: ...

    @property
    def marks(self) -> tuple[str, ...]:
        """What the splitter must be told of, where the vocabulary has it as a control token."""
        ...

    @property
    def stop_tokens(self) -> tuple[str, ...]:
        """Control tokens that end an answer, beside those that the model itself names."""
        ...

    @property
    def frame(self) -> Frame: ...

    @property
    def thoughts_key(self) -> str:
        """The name by which the template knows a message's thoughts."""
        ...

    def start(self, prompt: str) -> Start:
        """Where `prompt`, from which users' control tokens are left out, leaves off."""
        ...

    def splitter(self, *, starts_inside: bool) -> Splitter: ...

    def told(self, message: Message) -> Message:
        """The message as the template takes it."""
        ...


@dataclass(frozen=True, slots=True)
class ModelStyle:
    """A style with one model's tokens: `marks` by their ids, and those that end an answer."""

    style: Style
    marks: Mapping[int, str] = field(default_factory=dict)
    stop_ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, style: Style, control_ids: Mapping[str, int]) -> ModelStyle:
        """`control_ids` are the model's tokens that are no text, by their spellings."""
        marks = {control_ids[mark]: mark for mark in style.marks if mark in control_ids}
        stops = (control_ids[token] for token in style.stop_tokens if token in control_ids)
        return cls(style, marks, frozenset(stops))
