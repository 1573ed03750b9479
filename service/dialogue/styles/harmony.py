"""gpt-oss: an answer is messages, each with a header that says on which channel it is.

    <|channel|>analysis<|message|>Thoughts.<|end|>
    <|start|>assistant<|channel|>final<|message|>Text.<|return|>

What goes to a function is a call, on the channel `commentary`; without one it is for the user.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum

from service.dialogue.message import Message
from service.dialogue.styles.start import Start
from service.dialogue.styles.style import Frame, Span, Split
from service.dialogue.tools.harmony import HARMONY

_CHANNEL, _MESSAGE, _START, _END = "<|channel|>", "<|message|>", "<|start|>", "<|end|>"
_NEXT = f"{_END}{_START}assistant"
_FUNCTION = re.compile(r"\bto=functions\.([\w.-]+)")
_RECIPIENT = "to="
_BETWEEN_MESSAGES = "\n\n"


class Harmony:
    """A Style."""

    name = "harmony"
    stop_tokens = ("<|return|>", "<|call|>")
    marks = (_CHANNEL, _MESSAGE, _START, _END, "<|constrain|>", *stop_tokens)
    thoughts_key = "thinking"
    frame = Frame(
        thoughts=Span(f"{_CHANNEL}analysis{_MESSAGE}", _NEXT),
        text=Span(f"{_CHANNEL}final{_MESSAGE}"),
        preamble=Span(f"{_CHANNEL}commentary{_MESSAGE}", _NEXT),
    )

    def start(self, prompt: str) -> Start:
        header, found, _ = prompt.rpartition(f"{_START}assistant")[2].partition(_MESSAGE)
        if not found:
            return Start.ANSWER
        return Start.THOUGHTS if _is_analysis(header) else Start.TEXT

    def splitter(self, *, starts_inside: bool) -> HarmonySplitter:
        return HarmonySplitter(starts_inside=starts_inside)

    def told(self, message: Message) -> Message:
        """Beside a call the template takes either thoughts or text, and shows both as thoughts."""
        if not (message.tool_calls and message.reasoning and message.content):
            return message
        thoughts = f"{message.reasoning}{_BETWEEN_MESSAGES}{message.content}"
        return replace(message, content="", reasoning=thoughts)


HARMONY_STYLE = Harmony()


class _In(Enum):
    HEADER = "what the next message is"
    THOUGHTS = "analysis"
    TEXT = "for the user"
    CALL = "for a function"


class HarmonySplitter:
    """A Splitter. It goes by tokens alone: text that spells one is text. A text that has no header
    at all is content."""

    tells_calls = True

    def __init__(self, *, starts_inside: bool) -> None:
        self._in = _In.THOUGHTS if starts_inside else _In.HEADER
        self._header = ""
        self._begun: set[_In] = set()
        self._gap = ""

    @property
    def is_inside(self) -> bool:
        return self._in is _In.THOUGHTS

    @property
    def is_between(self) -> bool:
        return self._in is _In.HEADER

    def feed(self, text: str) -> Split:
        if self._in is _In.HEADER:
            self._header += text
            if not self._is_text_without_header():
                return Split()
            text = self._header
            self._enter(_In.TEXT)
        if not text:
            return Split()
        text, self._gap = self._gap + text, ""
        self._begun.add(self._in)
        match self._in:
            case _In.THOUGHTS:
                return Split(reasoning=text)
            case _In.CALL:
                return Split(calls=text)
        return Split(content=text)

    def mark(self, token: str) -> Split:
        if token == _MESSAGE:
            return self._read_header()
        if self._in is not _In.HEADER:
            self._in, self._header = _In.HEADER, ""
        if token in (_START, _CHANNEL, "<|constrain|>"):
            self._header += token
        return Split()

    def end_thoughts(self) -> Split:
        if self._in is not _In.TEXT:
            self._enter(_In.TEXT)
        return Split()

    def flush(self) -> Split:
        """A header without a message says nothing."""
        return Split()

    def _is_text_without_header(self) -> bool:
        begun = self._header.lstrip()
        return not (
            begun.startswith(("<|", _RECIPIENT)) or _RECIPIENT.startswith(begun[: len(_RECIPIENT)])
        )

    def _read_header(self) -> Split:
        function = _FUNCTION.search(self._header)
        if function is not None:
            self._enter(_In.CALL)
            return Split(calls=HARMONY.openings[0] + HARMONY.head(function[1]))
        self._enter(_In.THOUGHTS if _is_analysis(self._header) else _In.TEXT)
        return Split()

    def _enter(self, place: _In) -> None:
        self._in, self._header = place, ""
        self._gap = _BETWEEN_MESSAGES if place in self._begun else ""


def _is_analysis(header: str) -> bool:
    return header.partition(_CHANNEL)[2].startswith("analysis")
