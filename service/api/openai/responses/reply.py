"""The answer to /v1/responses, whole or as events."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from service.api.facade import Delta
from service.api.openai.logprobs import TokenLogprob
from service.api.openai.reply import new_id
from service.api.openai.responses.draft import Draft, status_of
from service.api.openai.responses.events import (
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
    StreamError,
)
from service.api.openai.responses.items import (
    Item,
    ItemStatus,
    answer_item,
    call_item,
    thoughts_item,
)
from service.api.openai.responses.progress import (
    GrowingAnswer,
    GrowingCall,
    GrowingItem,
    GrowingThoughts,
)
from service.api.openai.responses.schema import ResponseObject
from service.api.patience import StreamDialect
from service.api.sse import named_event
from service.api.streamed import COMMENT
from service.api.whole import Answer
from service.dialogue.answer import CallDelta
from service.dialogue.tools.tool import ToolCall
from service.engine.request import FinishReason
from service.errors import RetortError


@dataclass(frozen=True, slots=True)
class ResponseReply:
    """The whole answer: thoughts, a message and calls, as far as there are any; an answer that is
    nothing at all is a message. What was cut is the last of them."""

    draft: Draft

    def make(self, answers: Sequence[Answer]) -> ResponseObject:
        (answer,) = answers
        status = status_of(answer.finish_reason)
        *whole, last = self._makers(answer)
        output = [*(make("completed") for make in whole), last(status)]
        return self.draft.ended(output, answer.finish_reason)

    def _makers(self, answer: Answer) -> list[Callable[[ItemStatus], Item]]:
        """Of each item, given its status."""
        makers: list[Callable[[ItemStatus], Item]] = []
        if answer.reasoning:
            makers.append(lambda status: thoughts_item(new_id("rs_"), status, answer.reasoning))
        if answer.text or not (answer.reasoning or answer.calls):
            logprobs = self.draft.text_logprobs(answer.logprobs, 0)
            makers.append(lambda status: answer_item(new_id("msg_"), status, answer.text, logprobs))
        makers += [partial(_call_item, call=call) for call in answer.calls]
        return makers


def _call_item(status: ItemStatus, *, call: ToolCall) -> Item:
    return call_item(new_id("fc_"), status, call)


def _unprepared(error: RetortError) -> bytes:
    return named_event(StreamError(code=error.code, message=error.message, param=error.param))


EVENTS: Final = StreamDialect(COMMENT, _unprepared)
"""How a stream waits for its model."""


@dataclass(slots=True)
class ResponseEvents:
    """The same as events; an EventWriter. One item follows another."""

    draft: Draft
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)
    _done: list[Item] = field(default_factory=list, init=False)
    _growing: GrowingItem | None = field(default=None, init=False)
    _held_logprobs: list[TokenLogprob] = field(default_factory=list, init=False)
    _num_logprobs: int = field(default=0, init=False)
    _finish_reason: FinishReason | None = field(default=None, init=False)

    def opening(self) -> bytes:
        response = self.draft.response
        return named_event(ResponseCreated(response, next(self._numbers))) + named_event(
            ResponseInProgress(response, next(self._numbers))
        )

    def delta(self, _index: int, delta: Delta) -> bytes:
        self._held_logprobs += self.draft.text_logprobs(delta.logprobs, self._num_logprobs)
        self._num_logprobs += len(delta.logprobs)
        self._finish_reason = delta.finish_reason
        events = b""
        if delta.reasoning:
            events += self._think(delta.reasoning)
        if delta.text or self._is_empty_message(delta) or self._has_late_logprobs():
            events += self._answer(delta.text)
        for call in delta.calls:
            events += self._call(call)
        return events

    def closing(self) -> bytes:
        assert self._finish_reason is not None
        events = self._end_item(status_of(self._finish_reason))
        response = self.draft.ended(self._done, self._finish_reason)
        end = ResponseIncomplete if response.status == "incomplete" else ResponseCompleted
        return events + named_event(end(response, next(self._numbers)))

    def failure(self, error: RetortError) -> bytes:
        output = [*self._done]
        if self._growing is not None:
            output.append(self._growing.item("incomplete"))
        response = self.draft.failed(output, error)
        return named_event(ResponseFailed(response, next(self._numbers)))

    def _is_empty_message(self, delta: Delta) -> bool:
        """Whether all has come and it is nothing: an answer all the same."""
        is_last = delta.finish_reason is not None and not delta.calls
        return is_last and self._growing is None and not self._done

    def _has_late_logprobs(self) -> bool:
        """Whether there are some of the answer that no text of it will come with."""
        return bool(self._held_logprobs) and isinstance(self._growing, GrowingAnswer)

    def _think(self, text: str) -> bytes:
        events, thoughts = b"", self._growing
        if not isinstance(thoughts, GrowingThoughts):
            events = self._end_item("completed")
            thoughts = self._growing = GrowingThoughts.at(len(self._done), self._numbers)
            events += thoughts.begin()
        return events + thoughts.grow(text)

    def _answer(self, text: str) -> bytes:
        events, answer = b"", self._growing
        if not isinstance(answer, GrowingAnswer):
            events = self._end_item("completed")
            answer = self._growing = GrowingAnswer.at(len(self._done), self._numbers)
            events += answer.begin()
        logprobs, self._held_logprobs = self._held_logprobs, []
        return events + (answer.grow(text, logprobs) if text or logprobs else b"")

    def _call(self, delta: CallDelta) -> bytes:
        """Each call is an item of its own."""
        events = b""
        if delta.name is not None:
            events = self._end_item("completed")
            self._growing = GrowingCall.at(
                len(self._done), self._numbers, delta.id or "", delta.name
            )
            events += self._growing.begin()
        assert isinstance(self._growing, GrowingCall)
        return events + (self._growing.grow(delta.arguments) if delta.arguments else b"")

    def _end_item(self, status: ItemStatus) -> bytes:
        """The end of the item under way, if there is one."""
        growing, self._growing = self._growing, None
        if growing is None:
            return b""
        self._done.append(growing.item(status))
        return growing.end(status)
