"""What the official client sends is served, and what it parses is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.unit.service.processes import ServerProcess

MODEL = "smollm2:135m"
CAPITAL: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France? Answer in one sentence."}
]


def test_a_chat_is_answered(client: OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=CAPITAL, temperature=0)
    (choice,) = reply.choices
    assert "Paris" in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert reply.model == MODEL
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_stream_carries_the_same_answer_and_usage(client: OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=CAPITAL, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=CAPITAL,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert sum(text != "" for text in texts) > 3
    usage = chunks[-1].usage
    assert usage is not None
    assert whole.usage is not None
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_the_stream_helper_gathers_the_answer(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=CAPITAL, temperature=0, max_completion_tokens=20
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content
    assert final.choices[0].finish_reason in {"stop", "length"}


def test_a_completion_goes_on_where_the_prompt_ends(client: OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt="The capital of France is", temperature=0, max_tokens=8
    )
    assert "Paris" in reply.choices[0].text
    chunks = client.completions.create(
        model=MODEL, prompt="The capital of France is", temperature=0, max_tokens=8, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == reply.choices[0].text


def test_completions_stop_after_16_tokens_by_default(client: OpenAI) -> None:
    reply = client.completions.create(model=MODEL, prompt="Once upon a time", temperature=0)
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 16
    assert reply.choices[0].finish_reason == "length"


def test_tokens_are_a_prompt_as_good_as_their_text(client: OpenAI) -> None:
    one = client.completions.create(model=MODEL, prompt=[1, 2, 3], temperature=0)
    two = client.completions.create(model=MODEL, prompt=[[1, 2, 3]], temperature=0)
    assert one.choices[0].text == two.choices[0].text
    assert one.usage is not None
    assert one.usage.prompt_tokens == 3


def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model=MODEL, messages=CAPITAL, temperature=0, stop=["Paris"]
    )
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.content
    assert "Paris" not in reply.choices[0].message.content


def test_a_seed_makes_the_answer_repeatable_and_another_one_differs(client: OpenAI) -> None:
    def answer(seed: int) -> str | None:
        reply = client.chat.completions.create(
            model=MODEL, messages=CAPITAL, temperature=1.5, max_tokens=24, seed=seed
        )
        return reply.choices[0].message.content

    assert answer(7) == answer(7)
    assert len({answer(seed) for seed in range(4)}) > 1


def test_answers_do_not_depend_on_who_else_asks(client: OpenAI) -> None:
    """Six at once in four slots, each as if alone."""

    def answer(i: int) -> str:
        prompt = f"Count from {i} to {i + 10}: {i},"
        chunks = client.completions.create(
            model=MODEL, prompt=prompt, temperature=0, max_tokens=24, stream=True
        )
        return "".join(chunk.choices[0].text for chunk in chunks)

    alone = [answer(i) for i in range(6)]
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(answer, range(6))) == alone


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert MODEL in {model.id for model in client.models.list()}
    model = client.models.retrieve(MODEL)
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "library")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such:model")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"n": 129}, "n", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"extra_body": {"topk": 3}}, "topk", "unknown_parameter"),
        ({"messages": [{"role": "user", "content": "word " * 600}]}, "messages", None),
    ],
)
def test_a_refusal_is_a_bad_request_that_names_the_parameter(
    client: OpenAI, fields: dict[str, Any], param: str, code: str | None, stream: bool
) -> None:
    request: dict[str, Any] = {"model": MODEL, "messages": CAPITAL, "stream": stream, **fields}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**request)
    assert caught.value.param == param
    assert caught.value.code == (code or "context_length_exceeded")
    assert caught.value.request_id is not None


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-99", messages=CAPITAL)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("prompt", "accepted"), [([5] * 511, True), ([5] * 512, False), ([5] * 50_000, False)]
)
def test_the_context_is_used_to_its_last_token_and_no_further(
    client: OpenAI, prompt: list[int], accepted: bool
) -> None:
    def complete() -> openai.types.Completion:
        return client.completions.create(model=MODEL, prompt=prompt, temperature=0)

    if accepted:
        usage = complete().usage
        assert usage is not None
        assert usage.completion_tokens == 1
        return
    with pytest.raises(openai.BadRequestError) as caught:
        complete()
    assert (caught.value.param, caught.value.code) == ("prompt", "context_length_exceeded")


@pytest.mark.parametrize("prompt", ["", [], [10**6], [[]]])
def test_a_prompt_without_meaning_is_refused_by_name(client: OpenAI, prompt: Any) -> None:  # noqa: ANN401
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=MODEL, prompt=prompt)
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("n", [1, 6])
def test_leaving_a_stream_frees_its_slots(client: OpenAI, server: ServerProcess, n: int) -> None:
    """The last request ends while those that were left would still have run for seconds."""
    for _ in range(8):
        with client.completions.create(
            model=MODEL, prompt="Once", max_tokens=400, n=n, stream=True
        ) as stream:
            next(iter(stream))
    reply = client.completions.create(model=MODEL, prompt="Once", max_tokens=1)
    assert reply.choices[0].finish_reason == "length"
    health = httpx.get(f"http://127.0.0.1:{server.port}/health", timeout=5).json()
    assert [(model["num_running"], model["num_waiting"]) for model in health["models"]] == [(0, 0)]
