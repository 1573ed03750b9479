"""Wire structs of /v1/embeddings."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from service.api.keep_alive import KeepAlive
from service.api.openai.common_schema import MAX_INT32, Count, ModelId

MAX_INPUTS = 2048

TokenId: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT32)]


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`input` is a text, tokens, or a list of either.

    Beyond OpenAI's fields: `truncate` reads the beginning of an input that is too long,
    `allow_any_dimensions` cuts vectors of a model that does not declare it may be done, and
    `prompt_name` picks one of the model's own prompts.
    """

    model: ModelId
    input: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
    truncate: bool | None = None
    allow_any_dimensions: bool | None = None
    prompt_name: Annotated[str, Meta(max_length=256)] | None = None
    keep_alive: KeepAlive | None = None


class EmbeddingUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingObject(msgspec.Struct, frozen=True, kw_only=True):
    """`embedding` is a list of numbers, or in base64 their float32s, the lowest byte first."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[EmbeddingObject]
    model: str
    usage: EmbeddingUsage
