"""Logprobs over HTTP are those of the weights, computed apart in numpy float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openai import OpenAI

from export.checkpoints.open import open_checkpoint
from export.decoder.families import read_spec
from export.decoder.reference import Reference
from service.engine.scheduler import PREFILL_CHUNK_WITH_LOGITS
from service.store.manifest import TOKENIZER_NAME
from service.store.packages import Package
from service.text.tokenizer import Tokenizer
from tests.conftest import FP32_MODEL
from tests.e2e.clients.python_openai import token_ids
from tests.unit.service.processes import running

TOLERANCE = 1e-3
NUM_TOP = 5
PROMPT = (
    "The three primary colours are red, green and blue. Ünïcode 🎈 is a way to write characters as "
    "numbers, of which there are many more than one byte can hold. The capital of France is "
    "Paris, and 你好 means hello. One, two, three, four, five, six, seven, eight, nine, ten: those "
    "are the first"
)
"""Longer than a chunk in which the logits of prompts are computed."""
CHAT: Any = [{"role": "user", "content": "What is the capital of France? One sentence."}]


@dataclass(frozen=True)
class Expected:
    """Natural logarithms of the probabilities behind each token, float64 `[S, vocab_size]`."""

    logprobs: NDArray[np.float64]

    def likeliest(self, position: int, count: int) -> list[float]:
        return sorted(self.logprobs[position], reverse=True)[:count]


@dataclass(frozen=True)
class Weights:
    reference: Reference

    def expect(self, ids: Sequence[int]) -> Expected:
        logits = self.reference.logits(ids).astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        return Expected(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


@pytest.fixture(scope="module")
def weights(smollm2_gguf: Path) -> Weights:
    checkpoint = open_checkpoint(smollm2_gguf)
    return Weights(Reference(read_spec(checkpoint.config), checkpoint))


@pytest.fixture(scope="module")
def ids_of(smollm2_fp32_package: Package) -> dict[bytes, int]:
    """Token ids by what the tokens are written as."""
    tokenizer = Tokenizer(smollm2_fp32_package.folder / TOKENIZER_NAME)
    return {written: i for i, written in enumerate(tokenizer.token_bytes.pieces)}


@pytest.fixture(scope="module")
def client(smollm2_fp32_package: Package) -> Iterator[OpenAI]:
    """A server of the model in float32."""
    store = smollm2_fp32_package.folder.parents[1]
    with running("service", "--models", str(store), "--context", "256", "--slots", "2") as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
            yield client


@pytest.fixture(scope="module")
def ids(client: OpenAI) -> list[int]:
    """The tokens of PROMPT."""
    return token_ids(client, PROMPT)


@pytest.fixture(scope="module")
def expected(weights: Weights, ids: list[int]) -> Expected:
    """Behind each token of PROMPT."""
    return weights.expect(ids)


def near(actual: Any, expected: Any) -> bool:  # noqa: ANN401  numbers or lists of them
    return bool(np.allclose(actual, expected, rtol=0, atol=TOLERANCE))


@pytest.mark.parametrize("max_tokens", [0, 1])
@pytest.mark.parametrize("as_ids", [False, True])
def test_an_echoed_prompt_has_the_logprobs_of_the_weights(
    client: OpenAI, ids: list[int], expected: Expected, max_tokens: int, as_ids: bool
) -> None:
    prompt: Any = ids if as_ids else PROMPT
    (choice,) = client.completions.create(
        model=FP32_MODEL,
        prompt=prompt,
        echo=True,
        logprobs=NUM_TOP,
        max_tokens=max_tokens,
        temperature=0,
    ).choices
    assert choice.text.startswith(PROMPT)
    assert choice.logprobs is not None
    values: list[Any] = choice.logprobs.token_logprobs or []
    tops: list[Any] = choice.logprobs.top_logprobs or []
    assert len(values) == len(tops) == len(ids) + max_tokens
    assert (values[0], tops[0]) == (None, None)
    assert len(ids) > PREFILL_CHUNK_WITH_LOGITS
    following = [*ids[1:], *expected.logprobs[-1:].argmax(-1)]
    for position, (value, top) in enumerate(zip(values[1:], tops[1:], strict=True)):
        assert near(value, expected.logprobs[position, following[position]])
        likeliest = sorted(top.values(), reverse=True)[:NUM_TOP]
        assert near(likeliest, expected.likeliest(position, NUM_TOP))


def test_a_token_is_the_likeliest_exactly_where_its_logprob_is_the_largest(
    client: OpenAI, ids: list[int], expected: Expected
) -> None:
    """What harnesses conclude from: the continuation is greedy if each of its tokens is."""
    (choice,) = client.completions.create(
        model=FP32_MODEL, prompt=ids, echo=True, logprobs=1, max_tokens=0
    ).choices
    assert choice.logprobs is not None
    rows: Any = zip(
        choice.logprobs.tokens or [],
        choice.logprobs.token_logprobs or [],
        choice.logprobs.top_logprobs or [],
        strict=True,
    )
    found = [
        (value == max(top.values()), token == max(top, key=top.get))
        for token, value, top in list(rows)[1:]
    ]
    greedy = expected.logprobs[:-1].argmax(-1) == ids[1:]
    assert [by_value for by_value, _ in found] == [by_name for _, by_name in found] == [*greedy]
    assert 0 < sum(greedy) < len(greedy)


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_the_tokens_of_an_answer_have_the_logprobs_of_the_weights(
    client: OpenAI, weights: Weights, ids_of: dict[bytes, int], temperature: float
) -> None:
    """Whatever the temperature and the penalties they were drawn with."""
    told: Any = client.post(
        "/tokenize", cast_to=object, body={"model": FP32_MODEL, "messages": CHAT}
    )
    prompt: list[int] = told["tokens"]
    (choice,) = client.chat.completions.create(
        model=FP32_MODEL,
        messages=CHAT,
        temperature=temperature,
        seed=4,
        frequency_penalty=1.0 if temperature else 0.0,
        max_tokens=12,
        logprobs=True,
        top_logprobs=NUM_TOP,
    ).choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    answer = [ids_of[bytes(token.bytes or [])] for token in tokens]
    assert len(answer) >= 6
    expected = weights.expect([*prompt, *answer[:-1]])
    for position, (token_id, token) in enumerate(zip(answer, tokens, strict=True), len(prompt) - 1):
        assert near(token.logprob, expected.logprobs[position, token_id])
        likeliest = [top.logprob for top in token.top_logprobs]
        assert near(likeliest, expected.likeliest(position, NUM_TOP))
    likeliest_ids = expected.logprobs[len(prompt) - 1 :].argmax(-1)
    assert (answer == [*likeliest_ids]) == (temperature == 0)


def test_the_tokens_of_a_completion_have_the_logprobs_of_the_weights(
    client: OpenAI, weights: Weights, ids_of: dict[bytes, int]
) -> None:
    ids = token_ids(client, "Once upon a time")
    (choice,) = client.completions.create(
        model=FP32_MODEL, prompt=ids, temperature=1, seed=2, max_tokens=10, logprobs=0
    ).choices
    assert choice.logprobs is not None
    answer = [ids_of[token.encode()] for token in choice.logprobs.tokens or []]
    expected = weights.expect([*ids, *answer[:-1]]).logprobs[len(ids) - 1 :]
    assert near(
        choice.logprobs.token_logprobs,
        [row[token_id] for row, token_id in zip(expected, answer, strict=True)],
    )
