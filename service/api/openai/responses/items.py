"""The items that conversations are made of: what goes into a response and what comes out."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.openai.logprobs import TokenLogprob

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


Item: TypeAlias = MessageItem | ReasoningItem


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


def thoughts_item(item_id: str, status: ItemStatus, text: str) -> ReasoningItem:
    return ReasoningItem(id=item_id, status=status, content=[ReasoningText(text)])
