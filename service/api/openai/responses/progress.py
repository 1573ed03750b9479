"""Items of the output as they grow, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.api.openai.logprobs import TokenLogprob
from service.api.openai.reply import new_id
from service.api.openai.responses.events import (
    CallArgumentsDelta,
    CallArgumentsDone,
    ContentPartAdded,
    ContentPartDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    Part,
    ReasoningTextDelta,
    ReasoningTextDone,
)
from service.api.openai.responses.items import (
    FunctionCallItem,
    Item,
    ItemStatus,
    MessageItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
    answer_item,
    call_item,
    thoughts_item,
)
from service.api.sse import named_event
from service.dialogue.tools.tool import ToolCall


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a response an item stands; `numbers` are those of the stream's events."""

    item_id: str
    output_index: int
    numbers: Iterator[int]

    def item_added(self, item: Item) -> bytes:
        return named_event(
            OutputItemAdded(
                output_index=self.output_index, item=item, sequence_number=next(self.numbers)
            )
        )

    def part_added(self, part: Part) -> bytes:
        return named_event(
            ContentPartAdded(
                item_id=self.item_id,
                output_index=self.output_index,
                part=part,
                sequence_number=next(self.numbers),
            )
        )

    def part_done(self, part: Part) -> bytes:
        return named_event(
            ContentPartDone(
                item_id=self.item_id,
                output_index=self.output_index,
                part=part,
                sequence_number=next(self.numbers),
            )
        )

    def item_done(self, item: Item) -> bytes:
        return named_event(
            OutputItemDone(
                output_index=self.output_index, item=item, sequence_number=next(self.numbers)
            )
        )


class GrowingItem(Protocol):
    """An item under way; the methods that grow it depend on its kind."""

    def begin(self) -> bytes:
        """The events before all others of the item."""
        ...

    def end(self, status: ItemStatus) -> bytes:
        """The events after all others of the item."""
        ...

    def item(self, status: ItemStatus) -> Item:
        """As far as it has come."""
        ...


@dataclass(slots=True)
class GrowingThoughts:
    place: Place
    _texts: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, output_index: int, numbers: Iterator[int]) -> GrowingThoughts:
        return cls(Place(new_id("rs_"), output_index, numbers))

    def begin(self) -> bytes:
        item = ReasoningItem(id=self.place.item_id, status="in_progress", content=[])
        return self.place.item_added(item) + self.place.part_added(ReasoningText(""))

    def grow(self, text: str) -> bytes:
        self._texts.append(text)
        return named_event(
            ReasoningTextDelta(
                item_id=self.place.item_id,
                output_index=self.place.output_index,
                delta=text,
                sequence_number=next(self.place.numbers),
            )
        )

    def end(self, status: ItemStatus) -> bytes:
        text = "".join(self._texts)
        done = ReasoningTextDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            text=text,
            sequence_number=next(self.place.numbers),
        )
        return (
            named_event(done)
            + self.place.part_done(ReasoningText(text))
            + self.place.item_done(self.item(status))
        )

    def item(self, status: ItemStatus) -> ReasoningItem:
        return thoughts_item(self.place.item_id, status, "".join(self._texts))


@dataclass(slots=True)
class GrowingAnswer:
    place: Place
    _texts: list[str] = field(default_factory=list)
    _logprobs: list[TokenLogprob] = field(default_factory=list)

    @classmethod
    def at(cls, output_index: int, numbers: Iterator[int]) -> GrowingAnswer:
        return cls(Place(new_id("msg_"), output_index, numbers))

    def begin(self) -> bytes:
        item = MessageItem(
            id=self.place.item_id, status="in_progress", role="assistant", content=[]
        )
        return self.place.item_added(item) + self.place.part_added(OutputText(""))

    def grow(self, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        self._texts.append(text)
        self._logprobs += logprobs
        return named_event(
            OutputTextDelta(
                item_id=self.place.item_id,
                output_index=self.place.output_index,
                delta=text,
                logprobs=[*logprobs],
                sequence_number=next(self.place.numbers),
            )
        )

    def end(self, status: ItemStatus) -> bytes:
        text = "".join(self._texts)
        done = OutputTextDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            text=text,
            logprobs=self._logprobs,
            sequence_number=next(self.place.numbers),
        )
        return (
            named_event(done)
            + self.place.part_done(OutputText(text, logprobs=self._logprobs))
            + self.place.item_done(self.item(status))
        )

    def item(self, status: ItemStatus) -> MessageItem:
        return answer_item(self.place.item_id, status, "".join(self._texts), self._logprobs)


@dataclass(slots=True)
class GrowingCall:
    place: Place
    call_id: str
    name: str
    _texts: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, output_index: int, numbers: Iterator[int], call_id: str, name: str) -> GrowingCall:
        return cls(Place(new_id("fc_"), output_index, numbers), call_id, name)

    def begin(self) -> bytes:
        return self.place.item_added(self.item("in_progress"))

    def grow(self, arguments: str) -> bytes:
        self._texts.append(arguments)
        return named_event(
            CallArgumentsDelta(
                item_id=self.place.item_id,
                output_index=self.place.output_index,
                delta=arguments,
                sequence_number=next(self.place.numbers),
            )
        )

    def end(self, status: ItemStatus) -> bytes:
        done = CallArgumentsDone(
            item_id=self.place.item_id,
            output_index=self.place.output_index,
            name=self.name,
            arguments="".join(self._texts),
            sequence_number=next(self.place.numbers),
        )
        return named_event(done) + self.place.item_done(self.item(status))

    def item(self, status: ItemStatus) -> FunctionCallItem:
        call = ToolCall(self.call_id, self.name, "".join(self._texts))
        return call_item(self.place.item_id, status, call)
