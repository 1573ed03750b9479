"""Wire structs of /v1/messages and /v1/messages/count_tokens."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta

from service.api.anthropic.tool_schema import (
    CacheControl,
    ToolChoice,
    Tools,
    ToolUseBlock,
    ToolUseParam,
)
from service.api.keep_alive import KeepAlive
from service.api.openai.common_schema import MAX_INT32, Count, ModelId, RelaxedKeywords, StopText
from service.api.openai.format_schema import StructuredOutputs

Nothing: TypeAlias = Annotated[list[None], Meta(max_length=0)] | None
Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]
StopReason: TypeAlias = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"
]


class TextParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    text: str
    cache_control: CacheControl | None = None
    citations: Nothing = None


class ThinkingParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="thinking"):
    """The thoughts of an answer, which clients send back as they got them."""

    thinking: str
    signature: str = ""


class ToolResultParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="tool_result"):
    """What a call came to; with `is_error` that it failed, and how."""

    tool_use_id: str
    content: str | list[TextParam] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


Content: TypeAlias = str | list[TextParam | ThinkingParam | ToolUseParam | ToolResultParam]


class MessageParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system"]
    content: Content


class ThinkingEnabled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="enabled"):
    budget_tokens: int
    display: Literal["summarized"] | None = None


class ThinkingDisabled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="disabled"):
    pass


class ThinkingAdaptive(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="adaptive"):
    display: Literal["summarized"] | None = None


Thinking: TypeAlias = ThinkingEnabled | ThinkingDisabled | ThinkingAdaptive


class JsonFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="json_schema"):
    schema: msgspec.Raw


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    effort: Effort | None = None
    format: JsonFormat | None = None


class CountTokensRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the prompt. null is the default everywhere."""

    model: ModelId
    messages: Annotated[list[MessageParam], Meta(min_length=1)]
    system: str | list[TextParam] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None


class MessagesRequest(CountTokensRequest, frozen=True, kw_only=True):
    max_tokens: Count
    keep_alive: KeepAlive | None = None
    complete_on_length: bool | None = None
    stop_sequences: Annotated[list[StopText], Meta(max_length=64)] | None = None
    stream: bool | None = None
    structured_outputs: StructuredOutputs | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=MAX_INT32)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


class TokenCount(msgspec.Struct, frozen=True):
    input_tokens: int


class TextBlock(msgspec.Struct, frozen=True, tag="text"):
    text: str


class ThinkingBlock(msgspec.Struct, frozen=True, tag="thinking"):
    """Nothing checks thoughts that come back, so that they need no signature."""

    thinking: str
    signature: str = ""


ContentBlock: TypeAlias = TextBlock | ThinkingBlock | ToolUseBlock


class OutputTokensDetails(msgspec.Struct, frozen=True):
    thinking_tokens: int


class MessageUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt is `input_tokens` and, found in the cache, `cache_read_input_tokens` together."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokensDetails


class MessageObject(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[ContentBlock]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    relaxed_keywords: RelaxedKeywords = UNSET
