"""POST /v1/embeddings"""

from __future__ import annotations

import base64
from typing import TypeAlias

import msgspec
import numpy as np
from litestar import post
from litestar.types import ASGIApp
from numpy.typing import NDArray

from service.api.awaited import AwaitedReply
from service.api.body import read_json_body
from service.api.encoding import Encoded, Encoder
from service.api.exchange import Exchange, exchange_of
from service.api.openai.decoder import RequestDecoder
from service.api.openai.embedding_schema import (
    MAX_INPUTS,
    EmbeddingList,
    EmbeddingObject,
    EmbeddingRequest,
    EmbeddingUsage,
)
from service.api.openai.encoder_fields import EMBEDDING
from service.api.openai.parameters import whole
from service.api.state import HttpRequest, encoder_of
from service.api.work import off_loop_if_large
from service.errors import RequestError

Inputs: TypeAlias = list[str] | list[list[int]]

_DECODER = RequestDecoder(EmbeddingRequest, EMBEDDING)


@post("/v1/embeddings", status_code=200)
async def create_embedding(request: HttpRequest) -> ASGIApp:
    """Texts get the model's special tokens and its default prompt; token ids stay as they are."""
    body = await read_json_body(request.scope, request.receive)
    wire, inputs = await off_loop_if_large(len(body), lambda: _read(body))
    model = await encoder_of(request, wire.model, wire.keep_alive)
    return AwaitedReply(_embedded(model, wire, inputs, exchange_of(request.scope)))


def _read(body: bytes) -> tuple[EmbeddingRequest, Inputs]:
    wire = _DECODER.decode(body)
    return wire, _inputs(wire)


async def _embedded(
    model: Encoder, wire: EmbeddingRequest, inputs: Inputs, exchange: Exchange
) -> bytes:
    encoded = await model.embed(
        inputs,
        dimensions=whole(wire.dimensions, "dimensions"),
        any_dimensions=bool(wire.allow_any_dimensions),
        prompt_name=wire.prompt_name,
        truncate=bool(wire.truncate),
    )
    exchange.num_encoded_tokens = encoded.num_tokens
    return await off_loop_if_large(encoded.values.nbytes, lambda: _reply(wire, encoded))


def _inputs(wire: EmbeddingRequest) -> Inputs:
    """One kind or the other, none empty. Raises RequestError."""
    given = [wire.input] if isinstance(wire.input, str) else wire.input
    token_ids = [item for item in given if isinstance(item, int)]
    texts = [item for item in given if isinstance(item, str)]
    lists = [item for item in given if isinstance(item, list)]
    if len(token_ids) == len(given):
        return [token_ids]
    if len(given) > MAX_INPUTS:
        raise RequestError(
            f"There are {len(given)} inputs, and one request can have {MAX_INPUTS}.", param="input"
        )
    for index, item in enumerate(given):
        if item in ("", []):
            param = "input" if isinstance(wire.input, str) else f"input[{index}]"
            raise RequestError("An input must not be empty.", param=param)
    if len(texts) == len(given):
        return texts
    if len(lists) == len(given):
        return lists
    raise RequestError("Inputs must be all texts or all lists of token ids.", param="input")


def _reply(wire: EmbeddingRequest, encoded: Encoded) -> bytes:
    vectors = encoded.values
    in_base64 = wire.encoding_format == "base64"
    values = _base64(vectors) if in_base64 else vectors.tolist()
    return msgspec.json.encode(
        EmbeddingList(
            data=[EmbeddingObject(index=i, embedding=value) for i, value in enumerate(values)],
            model=wire.model,
            usage=EmbeddingUsage(encoded.num_tokens, encoded.num_tokens),
        )
    )


def _base64(vectors: NDArray[np.float32]) -> list[str]:
    rows = np.ascontiguousarray(vectors, "<f4")
    return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
