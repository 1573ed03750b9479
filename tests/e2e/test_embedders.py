"""Decoders that embed or judge: from a folder by the command line to answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from numpy.typing import NDArray
from openai import OpenAI

from export.checkpoints.dequantize import dequantize
from export.decoder.families import read_spec
from export.decoder.reference import Reference
from tests.e2e.export_command import export
from tests.tiny_embedders import CONFIG, END, write_embedder, write_ranker
from tests.unit.export.decoder.tiny import Tiny
from tests.unit.service.processes import ServerProcess, running

TEXTS = ["What is glass?", "Glass is molten sand, cooled before it could crystallise.", "a"]
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedders")


@pytest.fixture(scope="module")
def weights(folder: Path) -> dict[str, Tiny]:
    """Both models' weights, which are exported to the store beside them."""
    made = {
        "embedder": write_embedder(folder / "embedder"),
        "ranker": write_ranker(folder / "ranker"),
    }
    for name in made:
        finished = export(folder / "models", folder / name, "--precision", "fp32")
        assert finished.returncode == 0, finished.stderr
    return made


@pytest.fixture(scope="module")
def server(folder: Path, weights: dict[str, Tiny]) -> Iterator[ServerProcess]:
    with running("service", "--models", str(folder / "models"), "--no-default") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[OpenAI]:
    url = f"http://127.0.0.1:{server.port}/v1"
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def _last(weights: Tiny, text: str) -> Floats:
    """The last token's vector, by numpy."""
    token_ids = [*text.encode(), END]
    vector: Floats = Reference(read_spec(CONFIG), weights).normed(token_ids)[-1]
    return vector


def _normalized(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)


def test_vectors_are_those_of_the_weights(client: OpenAI, weights: dict[str, Tiny]) -> None:
    reply = client.embeddings.create(model="embedder", input=TEXTS)
    for text, item in zip(TEXTS, reply.data, strict=True):
        expected = _normalized(_last(weights["embedder"], text))
        np.testing.assert_allclose(item.embedding, expected, atol=1e-5)
    assert reply.usage.prompt_tokens == sum(len(text) + 1 for text in TEXTS)


def test_instructions_are_put_before_texts_that_ask_for_them(
    client: OpenAI, weights: dict[str, Tiny]
) -> None:
    reply = client.embeddings.create(
        model="embedder", input=TEXTS[0], extra_body={"prompt_name": "query"}
    )
    prompted = f"Instruct: find it\nQuery:{TEXTS[0]}"
    expected = _normalized(_last(weights["embedder"], prompted))
    np.testing.assert_allclose(reply.data[0].embedding, expected, atol=1e-5)


def test_vectors_are_cut_where_it_is_allowed(client: OpenAI, weights: dict[str, Tiny]) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="embedder", input="a", dimensions=16)
    assert refused.value.param == "dimensions"
    reply = client.embeddings.create(
        model="embedder", input="a", dimensions=16, extra_body={"allow_any_dimensions": True}
    )
    expected = _normalized(_last(weights["embedder"], "a")[:16])
    np.testing.assert_allclose(reply.data[0].embedding, expected, atol=1e-5)


def test_what_is_too_long_is_refused_or_cut_before_its_end(
    client: OpenAI, weights: dict[str, Tiny]
) -> None:
    text = "glass " * 20
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="embedder", input=text)
    assert refused.value.code == "context_length_exceeded"
    reply = client.embeddings.create(model="embedder", input=text, extra_body={"truncate": True})
    expected = _normalized(_last(weights["embedder"], text[:63]))
    np.testing.assert_allclose(reply.data[0].embedding, expected, atol=1e-5)


def test_scores_are_those_of_the_classifier(
    server: ServerProcess, weights: dict[str, Tiny]
) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{server.port}/v1/rerank",
        json={"model": "ranker", "query": "glass?", "documents": TEXTS[1:]},
    ).json()
    head = dequantize(weights["ranker"].tensor("score.weight"))
    for result in answer["results"]:
        pair = "glass?" + TEXTS[1 + result["index"]]
        logit = float((_last(weights["ranker"], pair) @ head.T)[0])
        assert result["relevance_score"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_no_chat_with_an_embedder(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="embedder", messages=[{"role": "user", "content": "Hi"}]
        )
    assert refused.value.param == "model"
