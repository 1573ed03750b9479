"""POST /api/embed and POST /api/embeddings"""

from __future__ import annotations

import msgspec
from litestar import post
from litestar.types import ASGIApp

from service.api.awaited import AwaitedReply
from service.api.body import read_json_body
from service.api.encoding import Encoded
from service.api.exchange import exchange_of
from service.api.ollama.answers import EmbedAnswer, EmbeddingsAnswer
from service.api.ollama.fields import EMBED, EMBEDDINGS
from service.api.ollama.loading import load_or_unload
from service.api.ollama.options import asked_parameters
from service.api.ollama.reply import Watch
from service.api.ollama.schema import EmbeddingsRequest, EmbedRequest
from service.api.openai.decoder import RequestDecoder
from service.api.openai.embedding_schema import MAX_INPUTS
from service.api.openai.parameters import whole
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, encoder_of
from service.api.work import off_loop_if_large
from service.errors import RequestError
from service.store.overrides import Overrides

_EMBED = RequestDecoder(EmbedRequest, EMBED)
_EMBEDDINGS = RequestDecoder(EmbeddingsRequest, EMBEDDINGS)


@post("/api/embed", status_code=200)
async def embed(request: HttpRequest) -> ASGIApp:
    """Without a text the model is loaded, or unloaded."""
    watch = Watch()
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = await off_loop_if_large(len(body), lambda: _EMBED.decode(body))
    return AwaitedReply(_embedded(request, wire, watch))


@post("/api/embeddings", status_code=200)
async def embed_prompt(request: HttpRequest) -> ASGIApp:
    """The same, older and of one text."""
    watch = Watch()
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = _EMBEDDINGS.decode(body)
    asked = EmbedRequest(
        model=wire.model,
        input=wire.prompt,
        truncate=wire.truncate is True,
        options=wire.options,
        keep_alive=wire.keep_alive,
    )

    async def answer() -> bytes:
        with params_renamed({"input[0]": "prompt"}):
            vectors = (await _vectors(request, asked, watch)).embeddings
        return msgspec.json.encode(EmbeddingsAnswer(vectors[0] if vectors else []))

    return AwaitedReply(answer())


async def _embedded(request: HttpRequest, wire: EmbedRequest, watch: Watch) -> bytes:
    return msgspec.json.encode(await _vectors(request, wire, watch))


async def _vectors(request: HttpRequest, wire: EmbedRequest, watch: Watch) -> EmbedAnswer:
    texts = _texts(wire)
    overrides = Overrides(parameters=asked_parameters(wire.options))
    with params_renamed({name: f"options.{name}" for name in wire.options or {}}):
        if not texts:
            await load_or_unload(request, wire.model, wire.keep_alive, overrides)
            watch.loaded()
            return _answer(wire, [], 0, watch)
        model = await encoder_of(request, wire.model, wire.keep_alive, overrides)
    watch.loaded()
    encoded: Encoded = await model.embed(
        texts,
        dimensions=whole(wire.dimensions, "dimensions"),
        any_dimensions=True,
        truncate=wire.truncate is not False,
    )
    exchange_of(request.scope).num_encoded_tokens = encoded.num_tokens
    vectors = await off_loop_if_large(encoded.values.nbytes, encoded.values.tolist)
    return _answer(wire, vectors, encoded.num_tokens, watch)


def _texts(wire: EmbedRequest) -> list[str]:
    """None where one text is empty. Raises RequestError."""
    if wire.input is None or isinstance(wire.input, str):
        return [wire.input] if wire.input else []
    if len(wire.input) > MAX_INPUTS:
        raise RequestError(
            f"There are {len(wire.input)} inputs, and one request can have {MAX_INPUTS}.",
            param="input",
        )
    if "" in wire.input:
        index = wire.input.index("")
        raise RequestError("An input must not be empty.", param=f"input[{index}]")
    return wire.input


def _answer(
    wire: EmbedRequest, vectors: list[list[float]], num_tokens: int, watch: Watch
) -> EmbedAnswer:
    return EmbedAnswer(
        model=wire.model,
        embeddings=vectors,
        total_duration=watch.total_ns,
        load_duration=watch.load_ns,
        prompt_eval_count=num_tokens,
    )
