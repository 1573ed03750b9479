"""Wire structs of the requests of /api/generate, /api/chat, /api/embed and /api/embeddings."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from service.api.keep_alive import KeepAlive
from service.api.openai.common_schema import Count, ModelId
from service.api.openai.tool_schema import FunctionName, Tools
from service.modelfile.parameters import Given

_NULL = msgspec.Raw(b"null")

Nothing: TypeAlias = Annotated[list[None], Meta(max_length=0)] | None
Options: TypeAlias = dict[str, Given]
Think: TypeAlias = bool | Literal["low", "medium", "high", "max"]


class AnswerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What both kinds of answer may ask for. null is the default everywhere."""

    model: ModelId
    stream: bool | None = None
    think: Think | None = None
    format: msgspec.Raw = msgspec.field(default_factory=lambda: _NULL)
    options: Options | None = None
    keep_alive: KeepAlive | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None


class GenerateRequest(AnswerRequest, frozen=True, kw_only=True):
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    raw: bool | None = None


class PastFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`arguments` is an object, not its JSON."""

    name: FunctionName
    arguments: dict[str, msgspec.Raw] = {}
    index: int | None = None
    description: str | None = None


class PastToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: PastFunction
    id: str | None = None
    type: Literal["function"] | None = None


class OllamaMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: Nothing = None
    tool_calls: list[PastToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class OllamaChatRequest(AnswerRequest, frozen=True, kw_only=True):
    messages: list[OllamaMessage] | None = None
    tools: Tools | None = None


class EmbedRequest(msgspec.Struct, frozen=True, kw_only=True):
    model: ModelId
    input: str | list[str] | None = None
    truncate: bool | None = None
    dimensions: Count | None = None
    options: Options | None = None
    keep_alive: KeepAlive | None = None


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    model: ModelId
    prompt: str | None = None
    truncate: bool | None = None
    options: Options | None = None
    keep_alive: KeepAlive | None = None
