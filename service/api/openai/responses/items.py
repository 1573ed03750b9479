"""The items that conversations are made of: what goes into a response and what comes out."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.openai.logprobs import TokenLogprob
from service.dialogue.tools.tool import ToolCall

Role: TypeAlias = Literal["user", "assistant", "system", "developer"]
ItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]
Nothing: TypeAlias = Annotated[list[None], Meta(max_length=0)]


class CacheBreakpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a cached beginning may end: ours is found without being told."""

    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | UnsetType = UNSET


class InputText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="input_text"):
    text: str
    prompt_cache_breakpoint: CacheBreakpoint | UnsetType = UNSET


class OutputText(msgspec.Struct, frozen=True, tag="output_text"):
    text: str
    annotations: Nothing = []
    logprobs: list[TokenLogprob] = []


class ReasoningText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reasoning_text"):
    text: str


class SummaryText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="summary_text"):
    text: str


class MessageItem(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    id: str
    status: ItemStatus
    role: Role
    content: list[InputText | OutputText]


class ReasoningItem(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """The thoughts before an answer, in full: there are no summaries of our own."""

    id: str
    status: ItemStatus
    summary: list[SummaryText] = []
    content: list[ReasoningText]


class FunctionCallItem(msgspec.Struct, frozen=True, kw_only=True, tag="function_call"):
    """`arguments` is the JSON of an object, as far as it has come."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


class FunctionOutputItem(msgspec.Struct, frozen=True, kw_only=True, tag="function_call_output"):
    """What the call with that id came to."""

    id: str
    call_id: str
    output: str | list[InputText]
    status: ItemStatus

    @property
    def text(self) -> str:
        parts = self.output
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


Item: TypeAlias = MessageItem | ReasoningItem | FunctionCallItem | FunctionOutputItem


def answer_item(
    item_id: str, status: ItemStatus, text: str, logprobs: list[TokenLogprob]
) -> MessageItem:
    """A message of the assistant."""
    return MessageItem(
        id=item_id,
        status=status,
        role="assistant",
        content=[OutputText(text, logprobs=logprobs)],
    )


def call_item(item_id: str, status: ItemStatus, call: ToolCall) -> FunctionCallItem:
    return FunctionCallItem(
        id=item_id,
        call_id=call.id,
        name=call.name,
        arguments=call.arguments,
        status=status,
    )


def thoughts_item(item_id: str, status: ItemStatus, text: str) -> ReasoningItem:
    return ReasoningItem(id=item_id, status=status, content=[ReasoningText(text)])
