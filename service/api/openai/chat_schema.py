"""Wire structs of /v1/chat/completions."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.openai.common_schema import (
    Count,
    FinishReason,
    GenerationRequest,
    RelaxedKeywords,
    Usage,
)
from service.api.openai.logprobs import ChatLogprobs
from service.api.openai.tool_schema import (
    CalledFunction,
    FunctionChoice,
    FunctionDelta,
    Functions,
    MadeCall,
    ToolCallDelta,
    ToolCallOut,
    ToolChoice,
    Tools,
)
from service.api.tools import MAX_TOOLS

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Nothing: TypeAlias = Annotated[list[None], Meta(max_length=0)] | None


class TextPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    text: str


class ChatMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Only an assistant's message may lack content. "function" is the older name of "tool".

    The fields after `tool_call_id` are those of an answer, which clients send back as they got
    it; its thoughts go by two names.
    """

    role: Role
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: None = None
    audio: None = None
    annotations: Nothing = None
    function_call: CalledFunction | None = None
    tool_calls: Annotated[list[MadeCall], Meta(max_length=MAX_TOOLS)] | None = None


class ChatRequest(GenerationRequest, frozen=True, kw_only=True):
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Effort | None = None
    chat_template_kwargs: dict[str, bool | str] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Functions | None = None
    function_call: FunctionChoice | None = None


class AnswerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Thoughts, where there are any, go by both names that clients look for. An answer of calls
    alone has no content."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCallOut] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """`stop_reason` is the stop string or the request's own stop token that ended it."""

    index: int = 0
    message: AnswerMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason
    stop_reason: str | int | UnsetType = UNSET


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str
    relaxed_keywords: RelaxedKeywords = UNSET


class MessageDelta(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int = 0
    delta: MessageDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None
    stop_reason: str | int | UnsetType = UNSET


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """`usage` is null in all chunks but the last if it was asked for, and else not there; asked
    for continuously, each chunk has what there is so far."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET
    relaxed_keywords: RelaxedKeywords = UNSET
