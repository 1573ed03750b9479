"""Wire structs of the events that /v1/responses streams. Numbers count from 0, without a gap."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from service.api.openai.logprobs import TokenLogprob
from service.api.openai.responses.items import Item, OutputText, ReasoningText
from service.api.openai.responses.schema import ResponseObject

Part: TypeAlias = OutputText | ReasoningText


class ResponseCreated(msgspec.Struct, frozen=True, tag="response.created"):
    response: ResponseObject
    sequence_number: int


class ResponseInProgress(msgspec.Struct, frozen=True, tag="response.in_progress"):
    response: ResponseObject
    sequence_number: int


class ResponseCompleted(msgspec.Struct, frozen=True, tag="response.completed"):
    response: ResponseObject
    sequence_number: int


class ResponseIncomplete(msgspec.Struct, frozen=True, tag="response.incomplete"):
    response: ResponseObject
    sequence_number: int


class ResponseFailed(msgspec.Struct, frozen=True, tag="response.failed"):
    response: ResponseObject
    sequence_number: int


class OutputItemAdded(msgspec.Struct, frozen=True, kw_only=True, tag="response.output_item.added"):
    output_index: int
    item: Item
    sequence_number: int


class OutputItemDone(msgspec.Struct, frozen=True, kw_only=True, tag="response.output_item.done"):
    output_index: int
    item: Item
    sequence_number: int


class _OfPart(msgspec.Struct, frozen=True, kw_only=True):
    """Each item here has one part, the first."""

    item_id: str
    output_index: int
    content_index: int = 0
    sequence_number: int


class ContentPartAdded(_OfPart, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: Part


class ContentPartDone(_OfPart, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: Part


class OutputTextDelta(_OfPart, frozen=True, kw_only=True, tag="response.output_text.delta"):
    delta: str
    logprobs: list[TokenLogprob]


class OutputTextDone(_OfPart, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str
    logprobs: list[TokenLogprob]


class ReasoningTextDelta(_OfPart, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    delta: str


class ReasoningTextDone(_OfPart, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    text: str


class _OfCall(msgspec.Struct, frozen=True, kw_only=True):
    item_id: str
    output_index: int
    sequence_number: int


class CallArgumentsDelta(
    _OfCall, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    delta: str


class CallArgumentsDone(
    _OfCall, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    name: str
    arguments: str


class StreamError(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """Where there is not even a response that could have failed."""

    code: str | None
    message: str
    param: str | None
    sequence_number: int = 0


ResponseEvent: TypeAlias = (
    StreamError
    | ResponseCreated
    | ResponseInProgress
    | OutputItemAdded
    | ContentPartAdded
    | ReasoningTextDelta
    | ReasoningTextDone
    | OutputTextDelta
    | OutputTextDone
    | ContentPartDone
    | CallArgumentsDelta
    | CallArgumentsDone
    | OutputItemDone
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
)
