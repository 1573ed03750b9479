"""Wire structs of /v1/completions."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.openai.common_schema import MAX_INT32, FinishReason, GenerationRequest, Usage

TokenId: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT32)]


class CompletionRequest(GenerationRequest, frozen=True, kw_only=True):
    """`prompt` is a text, tokens, or a list of either."""

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    index: int = 0
    logprobs: None = None
    finish_reason: FinishReason | None = None


class TextCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer and a chunk of one look the same."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET
