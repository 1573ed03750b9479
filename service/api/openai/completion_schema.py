"""Wire structs of /v1/completions."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.openai.common_schema import (
    FinishReason,
    GenerationRequest,
    NoneOrCount,
    RelaxedKeywords,
    TokenId,
    Usage,
)
from service.api.openai.logprobs import CompletionLogprobs

MAX_PROMPTS = 2048

Prompt: TypeAlias = (
    str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1, max_length=1 << 20)]
)


class CompletionRequest(GenerationRequest, frozen=True, kw_only=True):
    """`prompt` is a text, tokens, or a list of either."""

    prompt: Prompt
    max_tokens: NoneOrCount | None = None
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    index: int = 0
    logprobs: CompletionLogprobs | None = None
    finish_reason: FinishReason | None = None
    stop_reason: str | int | UnsetType = UNSET


class TextCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer and a chunk of one look the same."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET
    relaxed_keywords: RelaxedKeywords = UNSET
