"""The official client embeds as it does by default, in base64, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest
from numpy.typing import NDArray
from openai import OpenAI
from openai.types import CreateEmbeddingResponse

from tests.unit.service.encoder.conftest import EMBEDDER, RANKER, STORE, Expected, cosines
from tests.unit.service.processes import ServerProcess, read_all, running


@pytest.fixture(scope="module")
def expected() -> Expected:
    return Expected.read()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """Of the two tiny encoders; the fixture of that name in the conftest serves the chat model."""
    with running("service", "--models", str(STORE), "--no-default") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[OpenAI]:
    url = f"http://127.0.0.1:{server.port}/v1"
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def vectors(reply: CreateEmbeddingResponse) -> NDArray[np.float32]:
    return np.array([item.embedding for item in reply.data], np.float32)


def test_the_default_of_the_client_is_decoded_right(client: OpenAI, expected: Expected) -> None:
    reply = client.embeddings.create(model=EMBEDDER, input=expected.texts)
    assert cosines(vectors(reply), np.array(expected.vectors)).min() > 0.99999
    assert [item.index for item in reply.data] == list(range(len(expected.texts)))
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > len(expected.texts)


def test_floats_are_the_same_as_base64(client: OpenAI, expected: Expected) -> None:
    floats = client.embeddings.create(
        model=EMBEDDER, input=expected.texts, encoding_format="float", user="me"
    )
    default = client.embeddings.create(model=EMBEDDER, input=expected.texts)
    np.testing.assert_array_equal(vectors(floats), vectors(default))


def test_texts_tokens_and_dimensions(client: OpenAI) -> None:
    text = client.embeddings.create(model=EMBEDDER, input="a")
    tokens = client.embeddings.create(model=EMBEDDER, input=[[2, 5, 3]])
    np.testing.assert_array_equal(vectors(text), vectors(tokens))
    cut = client.embeddings.create(model=EMBEDDER, input="a", dimensions=4)
    assert vectors(cut).shape == (1, 4)


def test_errors_are_the_clients_own_classes(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=EMBEDDER, input="glass " * 100)
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nobody", input="a")
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=EMBEDDER, messages=[{"role": "user", "content": "Hi"}])
    assert refused.value.param == "model"


def test_many_clients_at_once_get_their_own_vectors(client: OpenAI, expected: Expected) -> None:
    def ask(index: int) -> float:
        reply = client.embeddings.create(model=EMBEDDER, input=[expected.texts[index]])
        return float(cosines(vectors(reply), np.array([expected.vectors[index]]))[0])

    with ThreadPoolExecutor(8) as threads:
        found = threads.map(ask, [i % len(expected.texts) for i in range(48)])
    assert min(found) > 0.99999


def test_documents_are_ranked(server: ServerProcess, expected: Expected) -> None:
    documents = [document for _, document in expected.pairs]
    asked = {"model": RANKER, "query": expected.pairs[0][0], "documents": documents, "top_n": 2}
    with server.post("/v1/rerank", asked) as connection:
        _, _, body = read_all(connection).partition(b"\r\n\r\n")
    results: list[dict[str, Any]] = json.loads(body)["results"]
    best = sorted(range(len(documents)), key=lambda index: -expected.scores[index])[:2]
    assert [result["index"] for result in results] == best
