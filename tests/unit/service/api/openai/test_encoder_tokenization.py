"""/v1/tokenize and /v1/detokenize of models that embed or rank, with real ones of a few
kilobytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar

from tests.unit.service.api.asgi import post_json, request
from tests.unit.service.api.openai.encoders import encoder_app
from tests.unit.service.encoder.conftest import EMBEDDER, RANKER

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app() -> AsyncIterator[Litestar]:
    async with encoder_app() as app:
        yield app


async def told(app: Litestar, path: str, **fields: object) -> Any:  # noqa: ANN401  JSON
    reply = await post_json(app, path, {"model": EMBEDDER, **fields})
    assert reply.status == 200, reply.body
    return reply.json()


@pytest.mark.parametrize("text", ["a small text", "Ünïcode 🎈", ""])
async def test_a_text_is_counted_as_an_embedding_of_it_is_charged(app: Litestar, text: str) -> None:
    reply = await told(app, "/v1/tokenize", prompt=text)
    assert reply["count"] == len(reply["tokens"])
    described = (await request(app, "GET", f"/v1/models/{EMBEDDER}")).json()
    assert reply["max_model_len"] == described["context_length"]
    if text:
        embedded = await told(app, "/v1/embeddings", input=text, prompt_name=None)
        assert reply["count"] == embedded["usage"]["prompt_tokens"]


async def test_special_tokens_can_be_left_out(app: Litestar) -> None:
    whole = await told(app, "/v1/tokenize", prompt="a small text", return_token_strs=True)
    bare = await told(app, "/v1/tokenize", prompt="a small text", add_special_tokens=False)
    assert bare["tokens"] == whole["tokens"][1:-1]
    assert len(whole["token_strs"]) == whole["count"]
    assert all(whole["token_strs"])


async def test_tokens_become_text_again(app: Litestar) -> None:
    tokens = (await told(app, "/v1/tokenize", prompt="a small text"))["tokens"]
    text = (await told(app, "/v1/detokenize", tokens=tokens[1:-1]))["prompt"]
    again = await told(app, "/v1/tokenize", prompt=text)
    assert again["tokens"] == tokens


@pytest.mark.parametrize("model", [EMBEDDER, RANKER])
async def test_what_encoders_have_not_is_refused(app: Litestar, model: str) -> None:
    ask = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    chat = await post_json(app, "/v1/tokenize", ask)
    assert (chat.status, chat.json()["error"]["code"]) == (400, "wrong_model_kind")
    beyond = await post_json(app, "/v1/detokenize", {"model": model, "tokens": [2**31 - 1]})
    assert (beyond.status, beyond.json()["error"]["param"]) == (400, "tokens")
    surrogate = await post_json(app, "/v1/tokenize", {"model": model, "prompt": "\ud800"})
    assert surrogate.status == 400


async def test_what_an_encoder_has_read_is_told_in_the_metrics(app: Litestar) -> None:
    usage = (await told(app, "/v1/embeddings", input=["one", "another text"]))["usage"]
    lines = (await request(app, "GET", "/metrics")).body.decode().splitlines()
    sample = f'retort_encoded_tokens_total{{model="{EMBEDDER}"}} {usage["prompt_tokens"]}.0'
    assert sample in lines
