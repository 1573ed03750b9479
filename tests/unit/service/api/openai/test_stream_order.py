"""Streams chunk by chunk, as they go over the wire."""

from __future__ import annotations

import itertools
from typing import Any, Final, TypeAlias

import pytest
from litestar import Litestar

from service.errors import EngineFailure
from tests.unit.service.api.asgi import Reply, post_json
from tests.unit.service.api.fakes import FakeModel, Script

pytestmark = pytest.mark.anyio

CHAT: Final = "/v1/chat/completions"
COMPLETION: Final = "/v1/completions"
CHAT_ASK: Final[dict[str, Any]] = {
    "model": "tiny:1b",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
}
COMPLETION_ASK: Final[dict[str, Any]] = {"model": "tiny:1b", "prompt": "ab", "stream": True}
ENDPOINTS: Final = [(CHAT, CHAT_ASK), (COMPLETION, COMPLETION_ASK)]
WITH_USAGE: Final = {"stream_options": {"include_usage": True}}
ROLE: Final = {"role": "assistant", "content": "", "refusal": None}

Chunks: TypeAlias = list[dict[str, Any]]


def chunks_of(reply: Reply) -> Chunks:
    """All but `[DONE]`, which must come once and last, each as one event."""
    text = reply.body.decode()
    assert text.endswith("\n\n")
    assert all(event.startswith("data: ") for event in text.removesuffix("\n\n").split("\n\n"))
    *chunks, done = reply.events()
    assert done == "[DONE]"
    assert "[DONE]" not in chunks
    return chunks


def of_choice(chunks: Chunks, index: int) -> Chunks:
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return [choice for choice in choices if choice["index"] == index]


def head(chunk: dict[str, Any]) -> dict[str, Any]:
    """What must not change from chunk to chunk."""
    names = ("id", "object", "created", "model", "system_fingerprint")
    return {name: chunk[name] for name in names}


def logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.5, "bytes": [*token.encode()]}


async def test_two_choices_of_a_chat(app: Litestar) -> None:
    """Roles in the choices' order, then texts, one end for each, usage, the end of all."""
    chunks = chunks_of(await post_json(app, CHAT, {**CHAT_ASK, **WITH_USAGE, "n": 2}))
    assert [chunk["choices"] for chunk in chunks[:2]] == [
        [{"index": index, "delta": ROLE, "logprobs": None, "finish_reason": None}]
        for index in (0, 1)
    ]
    for index in (0, 1):
        assert [(each["delta"], each["finish_reason"]) for each in of_choice(chunks, index)] == [
            (ROLE, None),
            ({"content": "Hel"}, None),
            ({"content": "lo"}, None),
            ({}, "stop"),
        ]
    *before, last = chunks
    assert [chunk["usage"] for chunk in before] == [None] * 8
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 6
    assert [head(chunk) for chunk in chunks] == [head(last)] * 9
    assert last["object"] == "chat.completion.chunk"


async def test_two_choices_of_a_completion(app: Litestar) -> None:
    chunks = chunks_of(await post_json(app, COMPLETION, {**COMPLETION_ASK, **WITH_USAGE, "n": 2}))
    for index in (0, 1):
        assert of_choice(chunks, index) == [
            {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
            for text, reason in (("Hel", None), ("lo", None), ("", "stop"))
        ]
    *before, last = chunks
    assert [chunk["usage"] for chunk in before] == [None] * 6
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 6)
    assert [head(chunk) for chunk in chunks] == [head(last)] * 7
    assert last["object"] == "text_completion"


async def test_logprobs_of_a_chat_are_in_the_chunk_of_their_text(app: Litestar) -> None:
    ask = {**CHAT_ASK, "logprobs": True, "top_logprobs": 1, "n": 2}
    chunks = chunks_of(await post_json(app, CHAT, ask))
    for index in (0, 1):
        assert [(each["delta"], each["logprobs"]) for each in of_choice(chunks, index)] == [
            (ROLE, None),
            *(
                (
                    {"content": text},
                    {
                        "content": [{**logprob(text), "top_logprobs": [logprob(text)]}],
                        "refusal": None,
                    },
                )
                for text in ("Hel", "lo")
            ),
            ({}, None),
        ]


async def test_logprobs_of_a_completion_are_in_the_chunk_of_their_text(app: Litestar) -> None:
    chunks = chunks_of(await post_json(app, COMPLETION, {**COMPLETION_ASK, "logprobs": 0}))
    assert [(each["text"], each["logprobs"]) for each in of_choice(chunks, 0)] == [
        (
            text,
            {
                "tokens": [text],
                "token_logprobs": [-0.5],
                "top_logprobs": [{text: -0.5}],
                "text_offset": [offset],
            },
        )
        for text, offset in (("Hel", 0), ("lo", 3))
    ] + [("", None)]


async def test_thoughts_come_between_role_and_answer(app: Litestar, model: FakeModel) -> None:
    model.may_reason = True
    model.script.thoughts = ["Hm", "m."]
    chunks = chunks_of(await post_json(app, CHAT, {**CHAT_ASK, **WITH_USAGE, "n": 2}))
    for index in (0, 1):
        assert [each["delta"] for each in of_choice(chunks, index)] == [
            ROLE,
            {"reasoning_content": "Hm", "reasoning": "Hm"},
            {"reasoning_content": "m.", "reasoning": "m."},
            {"content": "Hel"},
            {"content": "lo"},
            {},
        ]
    details = chunks[-1]["usage"]["completion_tokens_details"]
    assert details["reasoning_tokens"] == 4


@pytest.mark.parametrize("logprobs", [None, 1])
async def test_an_echo_comes_once_before_each_choice_of_each_prompt(
    app: Litestar, logprobs: int | None
) -> None:
    ask = {**COMPLETION_ASK, "prompt": ["ab", "c"], "n": 2, "echo": True, "logprobs": logprobs}
    chunks = chunks_of(await post_json(app, COMPLETION, {**ask, **WITH_USAGE}))
    for index, prompt in enumerate(["ab", "ab", "c", "c"]):
        own = of_choice(chunks, index)
        assert [each["text"] for each in own] == [prompt, "Hel", "lo", ""]
        assert [each["finish_reason"] for each in own] == [None, None, None, "stop"]
        if logprobs is None:
            assert [each["logprobs"] for each in own] == [None] * 4
        else:
            found = [each["logprobs"] for each in own[:-1]]
            assert [each["tokens"] for each in found] == [[*prompt], ["Hel"], ["lo"]]
            values = [*itertools.chain(*(each["token_logprobs"] for each in found))]
            assert values == [None] + [-0.5] * (len(values) - 1)
            offsets = [*itertools.chain(*(each["text_offset"] for each in found))]
            assert offsets == [*range(len(prompt)), len(prompt), len(prompt) + 3]
    assert chunks[-1]["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_the_head_stays_the_same_however_long_a_stream_takes(
    app: Litestar, path: str, ask: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = itertools.count(2_000_000_000)
    monkeypatch.setattr("time.time", lambda: float(next(clock_s)))
    chunks = chunks_of(await post_json(app, path, {**ask, **WITH_USAGE, "n": 2}))
    assert [head(chunk) for chunk in chunks] == [head(chunks[0])] * len(chunks)
    assert chunks[0]["created"] >= 2_000_000_000


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_usage_is_not_there_unless_asked_for(
    app: Litestar, path: str, ask: dict[str, Any]
) -> None:
    for options in (None, {}, {"include_usage": False}):
        chunks = chunks_of(await post_json(app, path, {**ask, "stream_options": options}))
        assert all("usage" not in chunk for chunk in chunks)
        assert all(len(chunk["choices"]) == 1 for chunk in chunks)


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_continuous_usage_grows_to_what_the_last_chunk_says(
    app: Litestar, path: str, ask: dict[str, Any]
) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = chunks_of(await post_json(app, path, {**ask, "n": 2, "stream_options": options}))
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == 6
    assert {chunk["usage"]["prompt_tokens"] for chunk in chunks} == {
        chunks[-1]["usage"]["prompt_tokens"]
    }


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_an_error_in_mid_stream_is_the_last_event_before_done(
    app: Litestar, script: Script, model: FakeModel, path: str, ask: dict[str, Any], n: int
) -> None:
    """No finish reason and no usage: nobody may take what came for a whole answer."""
    script.error = EngineFailure("A step failed.")
    reply = await post_json(app, path, {**ask, **WITH_USAGE, "n": n})
    assert reply.status == 200
    *chunks, failure = chunks_of(reply)
    assert failure == {
        "error": {
            "message": "A step failed.",
            "type": "server_error",
            "param": None,
            "code": "engine_failure",
        }
    }
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert {choice["finish_reason"] for choice in choices} == {None}
    assert {chunk["usage"] for chunk in chunks} == {None}
    assert sum("error" in chunk for chunk in chunks) == 0
    assert all(generation.is_aborted for generation in model.generations)
    texts = [choice.get("text") or choice["delta"].get("content") for choice in choices]
    assert "Hel" in texts


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_the_stop_that_ended_a_choice_is_in_its_last_chunk_alone(
    app: Litestar, script: Script, path: str, ask: dict[str, Any]
) -> None:
    script.stop_reason = "END"
    chunks = chunks_of(await post_json(app, path, ask))
    *before, last = of_choice(chunks, 0)
    assert last["stop_reason"] == "END"
    assert all("stop_reason" not in choice for choice in before)


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_the_name_of_the_model_comes_back_as_it_was_given(
    app: Litestar, path: str, ask: dict[str, Any]
) -> None:
    chunks = chunks_of(await post_json(app, path, {**ask, "model": "hf.co/org/tiny:q4"}))
    assert {chunk["model"] for chunk in chunks} == {"hf.co/org/tiny:q4"}


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_every_reply_has_an_id_of_its_own(
    app: Litestar, path: str, ask: dict[str, Any]
) -> None:
    ids = {chunks_of(await post_json(app, path, ask))[0]["id"] for _ in range(20)}
    assert len(ids) == 20
