"""POST /v1/embeddings on a real encoder of a few kilobytes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from litestar import Litestar
from numpy.typing import NDArray

from service.api.state import held_pool
from service.pool import ModelPool
from tests.unit.service.api.asgi import Reply, post_json, request, start
from tests.unit.service.api.openai.encoders import encoder_app
from tests.unit.service.encoder.conftest import EMBEDDER, RANKER, Expected, cosines, expected

__all__ = ["expected"]

pytestmark = pytest.mark.anyio

PATH = "/v1/embeddings"


@pytest.fixture
async def app() -> AsyncIterator[Litestar]:
    async with encoder_app() as app:
        yield app


async def embed(app: Litestar, given: object, **fields: object) -> Reply:
    return await post_json(app, PATH, {"model": EMBEDDER, "input": given, **fields})


async def vectors(app: Litestar, given: object, **fields: object) -> NDArray[np.float32]:
    reply = await embed(app, given, **fields)
    assert reply.status == 200, reply.body
    data = reply.json()["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return np.array([item["embedding"] for item in data], np.float32)


def refusal(reply: Reply) -> tuple[int, str | None, str | None]:
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return reply.status, error["param"], error["code"]


async def test_the_answer_is_openais(app: Litestar, expected: Expected) -> None:
    reply = await embed(app, expected.texts[0])
    body = reply.json()
    assert reply.headers["content-type"] == "application/json"
    assert set(body) == {"object", "data", "model", "usage"}
    assert (body["object"], body["model"]) == ("list", EMBEDDER)
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    (item,) = body["data"]
    assert (item["object"], item["index"]) == ("embedding", 0)
    found = np.array([item["embedding"]], np.float32)
    assert cosines(found, np.array(expected.vectors[:1]))[0] > 0.99999


async def test_many_texts_are_answered_in_their_order(app: Litestar, expected: Expected) -> None:
    found = await vectors(app, expected.texts)
    assert cosines(found, np.array(expected.vectors)).min() > 0.99999


async def test_tokens_are_as_good_as_their_text(app: Litestar) -> None:
    token_ids = [2, 5, 3]  # [CLS] a [SEP]
    from_text = await vectors(app, "a")
    for tokens in (token_ids, [token_ids]):
        np.testing.assert_array_equal(await vectors(app, tokens), from_text)
    reply = await embed(app, [token_ids, [2, 5, 6, 3]])
    assert reply.json()["usage"]["prompt_tokens"] == 7
    assert len(reply.json()["data"]) == 2


async def test_base64_holds_the_same_float32s(app: Litestar, expected: Expected) -> None:
    as_numbers = await vectors(app, expected.texts, encoding_format="float")
    reply = await embed(app, expected.texts, encoding_format="base64")
    texts = [item["embedding"] for item in reply.json()["data"]]
    decoded = [np.frombuffer(base64.b64decode(text), "<f4") for text in texts]
    np.testing.assert_array_equal(np.stack(decoded), as_numbers)


async def test_dimensions_are_cut_and_normalised(app: Litestar) -> None:
    whole, cut = await vectors(app, "a"), await vectors(app, "a", dimensions=8)
    assert cut.shape == (1, 8)
    assert np.linalg.norm(cut) == pytest.approx(1, abs=1e-6)
    assert cosines(cut, whole[:, :8])[0] > 0.99999
    assert (await vectors(app, "a", dimensions=5, allow_any_dimensions=True)).shape == (1, 5)
    assert (await vectors(app, "a", dimensions=8.0)).shape == (1, 8)


async def test_what_only_labels_a_request_changes_nothing(app: Litestar) -> None:
    plain = await vectors(app, "a")
    labelled = await vectors(app, "a", user="me", dimensions=None, encoding_format=None)
    np.testing.assert_array_equal(plain, labelled)


async def test_a_prompt_is_chosen_by_name(app: Litestar, expected: Expected) -> None:
    found = await vectors(app, expected.texts, prompt_name="query")
    assert cosines(found, np.array(expected.prompted)).min() > 0.99999


async def test_too_long_is_refused_unless_truncate_is_asked(app: Litestar) -> None:
    long = "glass " * 100
    reply = await embed(app, ["a", long])
    assert refusal(reply) == (400, "input[1]", "context_length_exceeded")
    assert "102 tokens" in reply.json()["error"]["message"]
    reply = await embed(app, ["a", long], truncate=True)
    assert reply.json()["usage"]["total_tokens"] == 3 + 48


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [[5], []]}, "input[1]"),
        ({"input": ["a", [5]]}, "input"),
        ({"input": [5, "a"]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": None}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": [1.5]}, "input[0]"),
        ({"input": [-1]}, "input[0]"),
        ({"input": [[1, 128]]}, "input[0]"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 2.5}, "dimensions"),
        ({"input": "a", "dimensions": 17}, "dimensions"),
        ({"input": "a", "dimensions": 5}, "dimensions"),
        ({"input": "a", "truncate": "yes"}, "truncate"),
        ({"input": "a", "prompt_name": "nothing"}, "prompt_name"),
        ({"input": "a", "temperature": 1}, "temperature"),
        ({"input": "a", "model": ""}, "model"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
async def test_a_refusal_names_the_parameter(
    app: Litestar, fields: dict[str, object], param: str
) -> None:
    status, named, code = refusal(await post_json(app, PATH, {"model": EMBEDDER, **fields}))
    assert (status, named) == (400, param)
    assert code


async def test_2048_inputs_are_not_too_many(app: Litestar) -> None:
    assert (await vectors(app, ["a"] * 2048)).shape == (2048, 16)


async def test_the_wrong_model_is_the_requests_fault(app: Litestar) -> None:
    asked = {"model": RANKER, "input": "a"}
    assert refusal(await post_json(app, PATH, asked)) == (400, "model", "wrong_model_kind")
    asked = {"model": "nobody", "input": "a"}
    assert refusal(await post_json(app, PATH, asked)) == (404, "model", "model_not_found")
    chat = {"model": EMBEDDER, "messages": [{"role": "user", "content": "a"}]}
    reply = await post_json(app, "/v1/chat/completions", chat)
    assert refusal(reply) == (400, "model", "wrong_model_kind")


async def test_models_tell_dimensions_and_what_they_are_for(app: Litestar) -> None:
    reply = await request(app, "GET", "/v1/models")
    models = {item["id"]: item for item in reply.json()["data"]}
    assert models[EMBEDDER]["capabilities"] == ["embedding"]
    assert models[EMBEDDER]["dimensions"] == 16
    assert models[EMBEDDER]["context_length"] == 48
    assert models[RANKER]["capabilities"] == ["rerank"]
    assert "dimensions" not in models[RANKER]


async def test_beyond_the_queue_is_429_with_advice() -> None:
    async with encoder_app(slots=1, max_queue=1) as app:
        await vectors(app, "a")
        body = json.dumps({"model": EMBEDDER, "input": ["what is glass"] * 2000}).encode()
        running = [start(app, "POST", PATH, body=body) for _ in range(2)]
        await _until_running(app, 2)
        reply = await embed(app, "a")
        assert refusal(reply) == (429, None, "queue_full")
        assert int(reply.headers["retry-after"]) >= 1
        for exchange in running:
            assert (await exchange.finished()).status == 200
        assert (await embed(app, "a")).status == 200


async def test_hanging_up_frees_the_place(app: Litestar) -> None:
    await vectors(app, "a")
    body = json.dumps({"model": EMBEDDER, "input": ["what is glass"] * 2048}).encode()
    exchange = start(app, "POST", PATH, body=body)
    await _until_running(app, 1)
    exchange.hang_up()
    reply = await exchange.finished()
    assert not reply.is_complete
    assert await _num_running(app) == 0


async def _until_running(app: Litestar, count: int) -> None:
    async with asyncio.timeout(5):
        while await _num_running(app) < count:
            await asyncio.sleep(0.001)


async def _num_running(app: Litestar) -> int:
    pool = held_pool(app)
    assert isinstance(pool, ModelPool)
    with await pool.lease_encoder(EMBEDDER) as model:
        return model.engine.num_requests


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
FIELDS = ["input", "encoding_format", "dimensions", "truncate", "prompt_name", "user", "model"]


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(given_fields=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
def test_no_value_of_a_field_is_the_servers_fault(given_fields: dict[str, Any]) -> None:
    async def answered() -> Reply:
        async with encoder_app() as app:
            return await post_json(app, PATH, {"model": EMBEDDER, "input": "a", **given_fields})

    reply = asyncio.run(answered())
    assert reply.status in {200, 400, 404}
    if reply.status == 400 and reply.json()["error"]["code"] != "invalid_json":
        param = reply.json()["error"]["param"]
        assert any(param.startswith(field) for field in given_fields), param
