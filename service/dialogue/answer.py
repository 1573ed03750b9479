"""Takes a growing answer apart: thoughts, text, calls of tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.dialogue.styles.style import Split, Splitter
from service.dialogue.tools.call_ids import OPENAI_IDS
from service.dialogue.tools.format import CallParser, CallPiece, Parsed
from service.dialogue.tools.tool import ToolCall


@dataclass(frozen=True, slots=True)
class CallDelta:
    """The next piece of the call `index` of an answer: a call's first has its `id` and `name`,
    and their `arguments` join to the JSON of an object."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


def joined(deltas: Sequence[CallDelta]) -> list[ToolCall]:
    """The calls that the deltas of one answer are pieces of."""
    texts: defaultdict[int, list[str]] = defaultdict(list)
    for delta in deltas:
        texts[delta.index].append(delta.arguments)
    return [
        ToolCall(first.id or "", first.name, "".join(texts[first.index]))
        for first in deltas
        if first.name is not None
    ]


@dataclass(frozen=True, slots=True)
class AnswerParts:
    """What came of an answer, in this order."""

    reasoning: str = ""
    content: str = ""
    calls: tuple[CallDelta, ...] = ()


class AnswerReader:
    """Gathers what has come of one answer until it is taken. Without a `splitter` there are no
    thoughts, and without a `parser` no calls."""

    def __init__(
        self,
        splitter: Splitter | None = None,
        parser: CallParser | None = None,
        new_call_id: Callable[[], str] = OPENAI_IDS.new,
    ) -> None:
        self._splitter = splitter
        self._parser = parser
        self._new_call_id = new_call_id
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._calls: list[CallDelta] = []

    @property
    def is_inside(self) -> bool:
        """Whether what comes next belongs to the thoughts."""
        return self._splitter is not None and self._splitter.is_inside

    @property
    def is_between(self) -> bool:
        """Whether what comes next only says what follows."""
        return self._splitter is not None and self._splitter.is_between

    @property
    def is_calling(self) -> bool:
        """Whether the answer's text is over, and calls come."""
        return self._parser is not None and self._parser.is_calling

    def feed(self, text: str) -> bool:
        """Whether `text` is of the thoughts or one of their tags."""
        if self._splitter is None:
            self._read(text)
            return False
        was_inside = self._splitter.is_inside
        self._split(self._splitter.feed(text))
        return was_inside or self._splitter.is_inside

    def mark(self, token: str) -> bool:
        """The same with a control token, one of the marks of the splitter's style."""
        assert self._splitter is not None
        was_inside = self._splitter.is_inside
        self._split(self._splitter.mark(token))
        return was_inside or self._splitter.is_inside

    def end_thoughts(self) -> None:
        """What comes next is the answer, whatever the model has written so far."""
        if self._splitter is not None:
            self._split(self._splitter.end_thoughts())

    def take(self, *, is_last: bool) -> AnswerParts:
        """What has gathered since the last time."""
        if is_last:
            self._flush()
        calls = tuple(self._calls)
        taken = AnswerParts("".join(self._reasoning), "".join(self._content), calls)
        self._reasoning.clear()
        self._content.clear()
        self._calls.clear()
        return taken

    def _flush(self) -> None:
        if self._splitter is not None:
            self._split(self._splitter.flush())
        if self._parser is not None:
            self._add(self._parser.flush())

    def _split(self, split: Split) -> None:
        self._reasoning.append(split.reasoning)
        if self._splitter is None or not self._splitter.tells_calls:
            self._read(split.content)
            return
        self._content.append(split.content)
        self._read(split.calls)

    def _read(self, content: str) -> None:
        if self._parser is None:
            self._content.append(content)
        elif content:
            self._add(self._parser.feed(content))

    def _add(self, parsed: Parsed) -> None:
        self._content.append(parsed.content)
        self._calls += map(self._identified, parsed.calls)

    def _identified(self, piece: CallPiece) -> CallDelta:
        call_id = None if piece.name is None else self._new_call_id()
        return CallDelta(piece.index, call_id, piece.name, piece.arguments)
