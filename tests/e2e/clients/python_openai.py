"""What calls of the official Python client come to, whichever version of it is imported.

`python python_openai.py URL GUARDED_URL KEY` makes all checks against two servers of the default
model and an embedder: one that asks for no key and runs several requests at once, and a guarded
one that asks for KEY, runs one request and lets none wait.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

MODEL = "smollm2:135m"
EMBEDDER = "all-minilm"
CAPITAL: Any = [{"role": "user", "content": "What is the capital of France? One sentence."}]
_TOO_LONG = "context_length_exceeded"
FRANCE = "The capital of France is"


@dataclass(frozen=True)
class Servers:
    """Base URLs, and the key of the guarded server."""

    url: str
    guarded_url: str
    key: str

    def client(self) -> OpenAI:
        return OpenAI(base_url=self.url, api_key="any", max_retries=0)

    def guarded(self, key: str) -> OpenAI:
        return OpenAI(base_url=self.guarded_url, api_key=key, max_retries=0)


def token_ids(client: OpenAI, text: str) -> list[int]:
    """Asked of the server through the client's own transport."""
    reply: Any = client.post("/tokenize", cast_to=object, body={"model": MODEL, "prompt": text})
    ids: list[int] = reply["tokens"]
    return ids


def check_create(servers: Servers) -> None:
    with servers.client() as client:
        reply = client.chat.completions.create(model=MODEL, messages=CAPITAL, temperature=0)
    assert "Paris" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert (reply._request_id or "").startswith("req_")


def check_bookkeeping_changes_nothing(servers: Servers) -> None:
    ask: Any = {"model": MODEL, "messages": CAPITAL, "temperature": 0, "max_tokens": 6}
    with servers.client() as client:
        plain = client.chat.completions.create(**ask)
        labelled = client.chat.completions.create(
            **ask,
            user="ann",
            metadata={"a": "b"},
            store=False,
            service_tier="auto",
            safety_identifier="x",
            prompt_cache_key="y",
        )
    assert labelled.choices == plain.choices


def check_stream_helper(servers: Servers) -> None:
    with servers.client() as client:
        whole = client.chat.completions.create(model=MODEL, messages=CAPITAL, temperature=0)
        with client.chat.completions.stream(
            model=MODEL, messages=CAPITAL, temperature=0, stream_options={"include_usage": True}
        ) as stream:
            texts = [event.delta for event in stream if event.type == "content.delta"]
            final = stream.get_final_completion()
    assert len(texts) > 3
    assert "".join(texts) == final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].message.role == "assistant"
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason
    assert final.usage is not None
    assert whole.usage is not None
    assert final.usage.completion_tokens == whole.usage.completion_tokens


def check_stream_helper_with_two_choices(servers: Servers) -> None:
    ask: Any = {
        "model": MODEL,
        "messages": CAPITAL,
        "temperature": 1.2,
        "seed": 5,
        "n": 2,
        "stop": [".", ","],  # the helper takes an answer cut by its length for a failure
    }
    with servers.client() as client:
        whole = client.chat.completions.create(**ask)
        with client.chat.completions.stream(**ask) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
    assert [choice.index for choice in final.choices] == [0, 1]
    contents = [choice.message.content for choice in final.choices]
    assert contents == [choice.message.content for choice in whole.choices]
    assert contents[0] != contents[1]
    assert {choice.message.role for choice in final.choices} == {"assistant"}
    assert {choice.finish_reason for choice in final.choices} == {"stop"}


def check_seeds(servers: Servers) -> None:
    """The same seed gives the same candidates in the same order, another one others."""

    def candidates(client: OpenAI, seed: int) -> list[str | None]:
        reply = client.chat.completions.create(
            model=MODEL, messages=CAPITAL, temperature=1.5, seed=seed, n=4, max_tokens=12
        )
        return [choice.message.content for choice in reply.choices]

    with servers.client() as client:
        first = candidates(client, 11)
        assert len({*first}) == 4
        assert candidates(client, 11) == first
        assert candidates(client, 12) != first


def check_logprobs(servers: Servers) -> None:
    ask: Any = {
        "model": MODEL,
        "messages": CAPITAL,
        "temperature": 0,
        "max_tokens": 12,
        "logprobs": True,
        "top_logprobs": 3,
    }
    with servers.client() as client:
        (choice,) = client.chat.completions.create(**ask).choices
        with client.chat.completions.stream(**ask) as stream:
            for _ in stream:
                pass
            (streamed,) = stream.get_final_completion().choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    written = b"".join(bytes(token.bytes or []) for token in tokens).decode()
    assert written == choice.message.content
    for token in tokens:
        assert [top.logprob for top in token.top_logprobs] == sorted(
            (top.logprob for top in token.top_logprobs), reverse=True
        )
        assert len(token.top_logprobs) == 3
        assert (token.token, token.logprob) == (
            token.top_logprobs[0].token,
            token.top_logprobs[0].logprob,
        )
        assert token.logprob <= 0
    assert streamed.message.content == choice.message.content
    assert streamed.logprobs is not None
    assert [(item.token, item.bytes) for item in streamed.logprobs.content or []] == [
        (item.token, item.bytes) for item in tokens
    ]


def check_completion(servers: Servers) -> None:
    ask: Any = {"model": MODEL, "prompt": FRANCE, "temperature": 0, "max_tokens": 8}
    with servers.client() as client:
        whole = client.completions.create(**ask)
        chunks = list(client.completions.create(**ask, stream=True))
        ids = token_ids(client, FRANCE)
        from_ids = client.completions.create(**{**ask, "prompt": ids})
        several = client.completions.create(**{**ask, "prompt": [ids, [*ids, 260]]})
        texts = client.completions.create(**{**ask, "prompt": [FRANCE, "Once upon"]})
    assert "Paris" in whole.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert from_ids.choices[0].text == whole.choices[0].text
    for reply in (several, texts):
        assert [choice.index for choice in reply.choices] == [0, 1]
        assert reply.choices[0].text == whole.choices[0].text


def check_best_of(servers: Servers) -> None:
    ask: Any = {
        "model": MODEL,
        "prompt": FRANCE,
        "temperature": 1.3,
        "seed": 3,
        "max_tokens": 6,
        "logprobs": 0,
        "extra_body": {"ignore_eos": True},
    }

    def mean_logprob(choice: Any) -> float:  # noqa: ANN401  its class is the client's affair
        values: list[float] = choice.logprobs.token_logprobs
        return sum(values) / len(values)

    with servers.client() as client:
        candidates = client.completions.create(**ask, n=4).choices
        best = client.completions.create(**ask, n=2, best_of=4)
    ranked = sorted(candidates, key=mean_logprob, reverse=True)
    assert len({choice.text for choice in candidates}) == 4
    assert [choice.text for choice in best.choices] == [choice.text for choice in ranked[:2]]
    assert best.usage is not None
    assert best.usage.completion_tokens == 24


def check_echo(servers: Servers) -> None:
    with servers.client() as client:
        (choice,) = client.completions.create(
            model=MODEL, prompt=FRANCE, temperature=0, max_tokens=1, echo=True, logprobs=2
        ).choices
        (silent,) = client.completions.create(
            model=MODEL, prompt=FRANCE, max_tokens=0, echo=True
        ).choices
        num_prompt_tokens = len(token_ids(client, FRANCE))
    assert choice.text == FRANCE + " Paris"
    assert silent.text == FRANCE
    assert choice.logprobs is not None
    tokens, offsets = choice.logprobs.tokens or [], choice.logprobs.text_offset or []
    assert "".join(tokens) == choice.text
    assert len(tokens) == num_prompt_tokens + 1
    for token, offset in zip(tokens, offsets, strict=True):
        assert choice.text[offset:].startswith(token)
    values: list[float | None] = [*(choice.logprobs.token_logprobs or [])]
    assert values[0] is None
    assert all(value is not None and value <= 0 for value in values[1:])


def check_logit_bias(servers: Servers) -> None:
    """The likeliest token is banned, and another one is had for nothing."""
    ask: Any = {"model": MODEL, "prompt": FRANCE, "temperature": 0, "max_tokens": 2}
    with servers.client() as client:
        (paris,) = token_ids(client, " Paris")
        (cheese,) = token_ids(client, " cheese")
        plain = client.completions.create(**ask).choices[0].text
        banned = client.completions.create(**ask, logit_bias={str(paris): -100}).choices[0].text
        forced = client.completions.create(**ask, logit_bias={str(cheese): 100}).choices[0].text
    assert plain.startswith(" Paris")
    assert " Paris" not in banned
    assert forced == " cheese cheese"


def check_stop(servers: Servers) -> None:
    with servers.client() as client:
        for stop in ("Paris", ["nowhere to be found", "Par"]):
            (choice,) = client.chat.completions.create(
                model=MODEL, messages=CAPITAL, temperature=0, stop=stop
            ).choices
            assert choice.finish_reason == "stop"
            assert choice.message.content
            assert "Par" not in choice.message.content


def check_parse_without_a_schema(servers: Servers) -> None:
    """A message of plain text is what it is: nothing of it is parsed."""
    with servers.client() as client:
        for completions in (client.chat.completions, client.beta.chat.completions):
            (choice,) = completions.parse(model=MODEL, messages=CAPITAL, temperature=0).choices
            assert "Paris" in (choice.message.content or "")
            assert choice.message.parsed is None


def check_embeddings(servers: Servers) -> None:
    """In base64, as the client asks by default, and as numbers: the same unit vectors."""
    texts = ["why is the sky blue?", "why is the grass green?"]
    with servers.client() as client:
        default = client.embeddings.create(model=EMBEDDER, input=texts)
        plain = client.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float")
        one = client.embeddings.create(model=EMBEDDER, input=texts[1])
    assert [item.index for item in default.data] == [0, 1]
    assert [item.embedding for item in default.data] == [item.embedding for item in plain.data]
    for item in default.data:
        assert sum(value * value for value in item.embedding) == pytest.approx(1, abs=1e-5)
    assert one.data[0].embedding == pytest.approx(default.data[1].embedding, abs=1e-5)
    assert default.data[0].embedding != default.data[1].embedding
    assert default.usage.total_tokens == default.usage.prompt_tokens > 10


def check_models(servers: Servers) -> None:
    with servers.client() as client:
        assert MODEL in {model.id for model in client.models.list()}
        model = client.models.retrieve(MODEL)
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "library")


def check_bad_requests(servers: Servers) -> None:
    """Each names the field, whether the client checks it first or not."""
    fields: list[tuple[Any, str, str]] = [
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"n": 129}, "n", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"logit_bias": {"1": 101}}, "logit_bias[...]", "invalid_value"),
        ({"extra_body": {"temprature": 1}}, "temprature", "unknown_parameter"),
        (
            {"prediction": {"type": "content", "content": "x"}},
            "prediction",
            "unsupported_parameter",
        ),
        ({"messages": [{"role": "user", "content": "a " * 600}]}, "messages", _TOO_LONG),
    ]
    with servers.client() as client:
        for given, param, code in fields:
            for stream in (False, True):
                ask = {"model": MODEL, "messages": CAPITAL, "stream": stream, **given}
                with pytest.raises(openai.BadRequestError) as caught:
                    client.chat.completions.create(**ask)
                assert caught.value.param == param
                assert caught.value.code == code
                assert caught.value.type == "invalid_request_error"
                assert (caught.value.request_id or "").startswith("req_")


def check_a_suffix_needs_a_model_that_can_fill_in(servers: Servers) -> None:
    with servers.client() as client, pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=MODEL, prompt="def f():", suffix="return x")
    assert caught.value.param == "suffix"


def check_an_unknown_model_is_not_found(servers: Servers) -> None:
    with servers.client() as client:
        for call in (
            lambda: client.models.retrieve("no/such:model"),
            lambda: client.chat.completions.create(model="gpt-99", messages=CAPITAL),
            lambda: client.completions.create(model="gpt-99", prompt="x"),
        ):
            with pytest.raises(openai.NotFoundError) as caught:
                call()
            assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def check_keys(servers: Servers) -> None:
    with servers.guarded("wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model=MODEL, messages=CAPITAL)
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    with servers.guarded(servers.key) as client:
        assert client.models.retrieve(MODEL).id == MODEL


@contextmanager
def occupied(client: OpenAI) -> Iterator[Any]:
    """While it lasts a long answer takes the only slot; gives its stream."""
    with client.completions.create(
        model=MODEL,
        prompt="Once upon a time",
        max_tokens=490,
        stream=True,
        extra_body={"ignore_eos": True},
    ) as stream:
        next(iter(stream))
        yield stream


def check_a_full_queue(servers: Servers) -> None:
    with servers.guarded(servers.key) as client, occupied(client):
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model=MODEL, messages=CAPITAL, stream=stream)
            assert caught.value.code == "queue_full"
            assert int(caught.value.response.headers["retry-after"]) >= 1


def check_retries_wait_as_long_as_they_are_told(servers: Servers) -> None:
    """The client's own first pause is at most half a second, and the slot is free long before."""
    with servers.guarded(servers.key) as client, occupied(client) as stream:
        Timer(0.2, stream.close).start()
        started_s = time.monotonic()
        reply = client.with_options(max_retries=2).completions.create(
            model=MODEL, prompt=FRANCE, temperature=0, max_tokens=1
        )
        waited_s = time.monotonic() - started_s
    assert reply.choices[0].text == " Paris"
    assert waited_s >= 1


def check_the_asynchronous_client(servers: Servers) -> None:
    async def answers() -> tuple[str, str]:
        ask: Any = {"model": MODEL, "messages": CAPITAL, "temperature": 0}
        async with AsyncOpenAI(base_url=servers.url, api_key="any", max_retries=0) as client:
            whole = await client.chat.completions.create(**ask)
            async with client.chat.completions.stream(**ask) as stream:
                final = await stream.get_final_completion()
        return whole.choices[0].message.content or "", final.choices[0].message.content or ""

    whole, streamed = asyncio.run(answers())
    assert whole == streamed
    assert "Paris" in whole


CHECKS: tuple[Callable[[Servers], None], ...] = tuple(
    value for name, value in list(globals().items()) if name.startswith("check_")
)


def main() -> int:
    servers = Servers(*sys.argv[1:])
    for check in CHECKS:
        check(servers)
    sys.stdout.write(f"openai {openai.__version__}: {len(CHECKS)} checks passed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
