"""POST /v1/rerank on a real cross-encoder of a few kilobytes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from tests.unit.service.api.asgi import Reply, post_json
from tests.unit.service.api.openai.encoders import encoder_app
from tests.unit.service.encoder.conftest import EMBEDDER, RANKER, Expected, expected

__all__ = ["expected"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app() -> AsyncIterator[Litestar]:
    async with encoder_app() as app:
        yield app


async def rank(app: Litestar, expected: Expected, **fields: object) -> Reply:
    query, documents = expected.pairs[0][0], [document for _, document in expected.pairs]
    asked = {"model": RANKER, "query": query, "documents": documents, **fields}
    return await post_json(app, "/v1/rerank", asked)


async def test_the_best_come_first_with_their_scores(app: Litestar, expected: Expected) -> None:
    body = (await rank(app, expected)).json()
    assert body["id"].startswith("rerank-")
    assert body["model"] == RANKER
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0
    scores = {item["index"]: item["relevance_score"] for item in body["results"]}
    order = sorted(range(len(expected.scores)), key=lambda index: -expected.scores[index])
    assert list(scores) == order
    for index, score in scores.items():
        assert score == pytest.approx(expected.scores[index], abs=1e-5)
    assert all(set(item) == {"index", "relevance_score"} for item in body["results"])


async def test_top_n_and_documents(app: Litestar, expected: Expected) -> None:
    whole = (await rank(app, expected)).json()["results"]
    few = (await rank(app, expected, top_n=2, return_documents=True)).json()["results"]
    assert [item["index"] for item in few] == [item["index"] for item in whole[:2]]
    for item in few:
        assert item["document"] == {"text": expected.pairs[item["index"]][1]}
    assert len((await rank(app, expected, top_n=100)).json()["results"]) == len(whole)


async def test_documents_may_be_objects(app: Litestar, expected: Expected) -> None:
    texts = (await rank(app, expected)).json()["results"]
    objects = [{"text": document} for _, document in expected.pairs]
    assert (await rank(app, expected, documents=objects)).json()["results"] == texts


async def test_the_short_route_is_the_same(app: Litestar) -> None:
    asked = {"model": RANKER, "query": "what", "documents": ["a", "water"]}
    short, long = await post_json(app, "/rerank", asked), await post_json(app, "/v1/rerank", asked)
    assert short.json()["results"] == long.json()["results"]


async def test_too_long_is_refused_unless_truncate_is_asked(
    app: Litestar, expected: Expected
) -> None:
    long = "glass " * 100
    error = (await rank(app, expected, documents=["a", long])).json()["error"]
    assert (error["param"], error["code"]) == ("documents[1]", "context_length_exceeded")
    assert (await rank(app, expected, documents=["a", long], truncate=True)).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["a", ""]}, "documents[1]"),
        ({"documents": [{"text": "a", "id": 1}]}, "documents[0].id"),
        ({"documents": ["a"] * 2049}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": 1.5}, "top_n"),
        ({"return_documents": 1}, "return_documents"),
        ({"rank_fields": ["title"]}, "rank_fields"),
        ({"max_tokens_per_doc": 5}, "max_tokens_per_doc"),
        ({"overlap": 1}, "overlap"),
        ({"model": EMBEDDER}, "model"),
    ],
    ids=str,
)
async def test_a_refusal_names_the_parameter(
    app: Litestar, expected: Expected, fields: dict[str, object], param: str
) -> None:
    reply = await rank(app, expected, **fields)
    assert reply.status == 400
    assert reply.json()["error"]["param"] == param
