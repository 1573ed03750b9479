"""POST /v1/rerank"""

from __future__ import annotations

import secrets

import msgspec
from litestar import post
from litestar.types import ASGIApp

from service.api.awaited import AwaitedReply
from service.api.body import read_json_body
from service.api.encoding import Encoded, Encoder
from service.api.exchange import Exchange, exchange_of
from service.api.openai.decoder import RequestDecoder
from service.api.openai.encoder_fields import RERANK
from service.api.openai.parameters import whole
from service.api.openai.rerank_schema import (
    Document,
    DocumentText,
    RerankReply,
    RerankRequest,
    RerankResult,
    RerankUsage,
)
from service.api.state import HttpRequest, encoder_of
from service.api.work import off_loop_if_large
from service.errors import RequestError

_DECODER = RequestDecoder(RerankRequest, RERANK)


@post(["/v1/rerank", "/rerank"], status_code=200)
async def rerank(request: HttpRequest) -> ASGIApp:
    """The best documents first; equal ones stay in the order in which they came."""
    body = await read_json_body(request.scope, request.receive)
    wire = await off_loop_if_large(len(body), lambda: _DECODER.decode(body))
    whole(wire.top_n, "top_n")
    texts = [_text(index, document) for index, document in enumerate(wire.documents)]
    model = await encoder_of(request, wire.model, wire.keep_alive)
    return AwaitedReply(_ranked(model, wire, texts, exchange_of(request.scope)))


async def _ranked(
    model: Encoder, wire: RerankRequest, texts: list[str], exchange: Exchange
) -> bytes:
    encoded = await model.rank(wire.query, texts, truncate=bool(wire.truncate))
    exchange.num_encoded_tokens = encoded.num_tokens
    return msgspec.json.encode(_reply(wire, texts, encoded, whole(wire.top_n, "top_n")))


def _text(index: int, document: Document) -> str:
    text = document if isinstance(document, str) else document.text
    if not text:
        raise RequestError("A document must not be empty.", param=f"documents[{index}]")
    return text


def _reply(
    wire: RerankRequest, texts: list[str], encoded: Encoded, top_n: int | None
) -> RerankReply:
    scores: list[float] = encoded.values.tolist()
    best = sorted(range(len(scores)), key=lambda index: -scores[index])[:top_n]
    results = [
        RerankResult(index=index, relevance_score=scores[index])
        if not wire.return_documents
        else RerankResult(
            index=index, relevance_score=scores[index], document=DocumentText(texts[index])
        )
        for index in best
    ]
    return RerankReply(
        id="rerank-" + secrets.token_hex(12),
        model=wire.model,
        results=results,
        usage=RerankUsage(encoded.num_tokens, encoded.num_tokens),
    )
