"""Wire structs of /v1/rerank, in the shape that Jina and Cohere share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.keep_alive import KeepAlive
from service.api.openai.common_schema import Count, ModelId

MAX_DOCUMENTS = 2048


class DocumentText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


Document: TypeAlias = str | DocumentText


class RerankRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`top_n` leaves out all but the best, `return_documents` sends them back with their scores,
    and `truncate` reads the beginning of a pair that is too long."""

    model: ModelId
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[Document], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Count | None = None
    return_documents: bool | None = None
    truncate: bool | None = None
    keep_alive: KeepAlive | None = None


class RerankUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class RerankResult(msgspec.Struct, frozen=True, kw_only=True):
    """`index` is the document's place in the request, `relevance_score` lies between 0 and 1."""

    index: int
    relevance_score: float
    document: DocumentText | UnsetType = UNSET


class RerankReply(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    model: str
    results: list[RerankResult]
    usage: RerankUsage
