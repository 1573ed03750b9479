"""Wire structs of the answers of /api/generate, /api/chat, /api/embed and /api/embeddings."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from service.api.openai.common_schema import RelaxedKeywords
from service.api.openai.logprobs import TokenLogprob

DoneReason: TypeAlias = Literal["stop", "length", "load", "unload"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a stream, or the whole. Only the last line, which is `done`, has the rest.

    Durations are in nanoseconds: `load_duration` until the model was there, which takes no time
    if it is loaded, `prompt_eval_duration` until the first token, `eval_duration` from there on.
    """

    model: str
    created_at: datetime
    done: bool = False
    done_reason: DoneReason | UnsetType = UNSET
    total_duration: int | UnsetType = UNSET
    load_duration: int | UnsetType = UNSET
    prompt_eval_count: int | UnsetType = UNSET
    prompt_eval_duration: int | UnsetType = UNSET
    eval_count: int | UnsetType = UNSET
    eval_duration: int | UnsetType = UNSET
    logprobs: list[TokenLogprob] | UnsetType = UNSET
    relaxed_keywords: RelaxedKeywords = UNSET


class GenerateAnswer(Answer, frozen=True, kw_only=True):
    response: str
    thinking: str | UnsetType = UNSET


class MadeFunction(msgspec.Struct, frozen=True):
    """`arguments` is an object, not its JSON."""

    index: int
    name: str
    arguments: msgspec.Raw


class MadeToolCall(msgspec.Struct, frozen=True):
    id: str
    function: MadeFunction


class MadeMessage(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["assistant"] = "assistant"
    content: str
    thinking: str | UnsetType = UNSET
    tool_calls: list[MadeToolCall] | UnsetType = UNSET


class ChatAnswer(Answer, frozen=True, kw_only=True):
    message: MadeMessage


class EmbedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class EmbeddingsAnswer(msgspec.Struct, frozen=True):
    embedding: list[float]
