from __future__ import annotations

import re
from typing import Any

import pytest
from litestar import Litestar

from service.engine.request import SamplingParams
from service.errors import ContextLengthExceeded
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel, Script

pytestmark = pytest.mark.anyio

PATH = "/v1/completions"
ASK: dict[str, Any] = {"model": "tiny:1b", "prompt": "ab"}


async def test_an_answer_has_every_field_that_the_contract_names(app: Litestar) -> None:
    body = (await post_json(app, PATH, ASK)).json()
    assert re.fullmatch(r"cmpl-[A-Za-z0-9]{24}", body["id"])
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert body["usage"]["prompt_tokens"] == 2


async def test_an_answer_goes_on_where_the_prompt_ends(app: Litestar, model: FakeModel) -> None:
    await post_json(app, PATH, ASK)
    assert model.calls[-1].options.continues_text


async def test_a_stream_is_text_finish_usage_done(app: Litestar) -> None:
    ask = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, usage, done = (await post_json(app, PATH, ask)).events()
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Hel", "lo", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]
    assert {chunk["object"] for chunk in [*chunks, usage]} == {"text_completion"}
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 3
    assert [chunk["usage"] for chunk in chunks] == [None, None, None]
    assert done == "[DONE]"


@pytest.mark.parametrize(
    ("prompt", "token_ids"),
    [("ab", [97, 98]), (["ab"], [97, 98]), ([5, 6], [5, 6]), ([[5, 6]], [5, 6])],
)
async def test_a_prompt_is_raw_text_or_tokens(
    app: Litestar, model: FakeModel, prompt: object, token_ids: list[int]
) -> None:
    reply = await post_json(app, PATH, {**ASK, "prompt": prompt})
    assert reply.status == 200
    assert model.calls[0].prompt_token_ids == token_ids
    assert model.calls[0].options.max_tokens == 16


@pytest.mark.parametrize(
    "prompt",
    [
        [],
        [1, "a"],
        [[1], 2],
        [-1],
        [2**40],
        [1.5],
        [True],
        5,
        None,
        {"text": "a"},
    ],
)
async def test_other_prompts_are_refused_by_name(app: Litestar, prompt: object) -> None:
    reply = await post_json(app, PATH, {**ASK, "prompt": prompt})
    assert reply.status == 400
    assert reply.json()["error"]["param"].startswith("prompt")


async def test_a_prompt_that_does_not_fit_is_refused_by_name(
    app: Litestar, model: FakeModel, script: Script
) -> None:
    await post_json(app, PATH, ASK)
    script.refusal = ContextLengthExceeded(9, 8, param=model.calls[-1].options.prompt_param)
    error = (await post_json(app, PATH, ASK)).json()["error"]
    assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded")


async def test_a_missing_prompt_is_refused_by_name(app: Litestar) -> None:
    reply = await post_json(app, PATH, {"model": "tiny:1b"})
    assert (reply.status, reply.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"best_of": 21}, "best_of"),
        ({"n": 129}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": 0}, "n"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"suffix": "x"}, "suffix"),
        ({"suffix": "x", "echo": True}, "echo"),
        ({"suffix": "x", "prompt": [1, 2]}, "prompt"),
        ({"prompt": ["a"] * 100, "n": 100}, "prompt"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"top_k": -2}, "top_k"),
        ({"min_p": 1.1}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"stop_token_ids": [-1]}, "stop_token_ids"),
        ({"ignore_eos": 1}, "ignore_eos"),
        ({"min_tokens": -1}, "min_tokens"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    app: Litestar, model: FakeModel, fields: dict[str, object], param: str
) -> None:
    reply = await post_json(app, PATH, {**ASK, **fields})
    error = reply.json()["error"]
    assert reply.status == 400
    assert re.split(r"[.\[]", error["param"])[0] == param
    assert model.calls == []


async def test_extensions_reach_the_model(app: Litestar, model: FakeModel) -> None:
    ask = {
        **ASK,
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "stop_token_ids": [3, 4],
        "ignore_eos": True,
        "min_tokens": 2,
        "logit_bias": {"5": -100, "6": 1.5},
    }
    assert (await post_json(app, PATH, ask)).status == 200
    options = model.calls[0].options
    assert options.sampling == SamplingParams(
        top_k=5, min_p=0.1, repetition_penalty=1.2, logit_bias=((5, -100), (6, 1.5))
    )
    assert (options.stop_token_ids, options.ignore_eos) == (frozenset({3, 4}), True)
    assert options.min_tokens == 2


async def test_each_prompt_gets_its_choices_in_order(app: Litestar, model: FakeModel) -> None:
    body = (await post_json(app, PATH, {**ASK, "prompt": ["ab", "c"], "n": 2})).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert [[*g.prompt_token_ids] for g in model.generations] == [[97, 98]] * 2 + [[99]] * 2
    assert body["usage"]["prompt_tokens"] == 3
    assert body["usage"]["completion_tokens"] == 12


async def test_the_best_of_several_by_mean_logprob_are_answered(
    app: Litestar, model: FakeModel
) -> None:
    model.mean_logprobs = (-3.0, -1.0, -2.0)
    ask = {**ASK, "prompt": ["a", "b"], "best_of": 3, "n": 2, "echo": True}
    body = (await post_json(app, PATH, ask)).json()
    assert model.calls[0].options.num_choices == 3
    assert model.calls[0].options.num_logprobs == 0
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in body["choices"]] == ["aHello"] * 2 + ["bHello"] * 2
    assert [choice["logprobs"] for choice in body["choices"]] == [None] * 4
    assert body["usage"]["completion_tokens"] == 18


async def test_logprobs_have_the_legacy_shape(app: Litestar, script: Script) -> None:
    script.texts = ["Hé", "", "l\n", ""]
    (choice,) = (await post_json(app, PATH, {**ASK, "logprobs": 2})).json()["choices"]
    assert choice["logprobs"] == {
        "tokens": ["Hé", "l\n"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"Hé": -0.5, "\x07": -2.0}, {"l\n": -0.5, "\x07": -2.0}],
        "text_offset": [0, 2],
    }


@pytest.mark.parametrize("prompt", ["ab", [97, 98]])
async def test_echoed_prompts_have_logprobs_but_for_the_first_token(
    app: Litestar, model: FakeModel, prompt: object
) -> None:
    model.script.texts = ["x", ""]
    ask = {**ASK, "prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 1}
    (choice,) = (await post_json(app, PATH, ask)).json()["choices"]
    assert model.calls[0].options.prompt_logprobs
    assert choice["text"] == "abx"
    logprobs = choice["logprobs"]
    assert logprobs["tokens"] == ["a", "b", "x"]
    assert logprobs["token_logprobs"] == [None, -0.5, -0.5]
    assert logprobs["top_logprobs"] == [None, {"b": -0.5}, {"x": -0.5}]
    assert logprobs["text_offset"] == [0, 1, 2]


async def test_a_streamed_echo_begins_with_the_prompt(app: Litestar, script: Script) -> None:
    script.texts = ["x", "yz", ""]
    ask = {**ASK, "prompt": "ab", "echo": True, "logprobs": 1, "stream": True, "n": 2}
    *chunks, done = (await post_json(app, PATH, ask)).events()
    assert done == "[DONE]"
    for index in (0, 1):
        choices = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        assert [choice["text"] for choice in choices] == ["ab", "x", "yz", ""]
        offsets = [choice["logprobs"]["text_offset"] for choice in choices[:-1]]
        assert offsets == [[0, 1], [2], [3]]
        assert choices[-1]["finish_reason"] == "stop"


async def test_a_suffix_asks_a_model_that_can_for_what_is_between(
    app: Litestar, model: FakeModel
) -> None:
    model.infill = True
    assert (await post_json(app, PATH, {**ASK, "prompt": "a", "suffix": "b"})).status == 200
    assert model.calls[0].prompt_token_ids == [97, 0, 98]
    assert (await post_json(app, PATH, {**ASK, "prompt": "a", "suffix": ""})).status == 200
    assert model.calls[1].prompt_token_ids == [97]


@pytest.mark.parametrize("said", [{"include_usage": True}, {}])
async def test_usage_may_come_with_every_chunk(app: Litestar, said: dict[str, bool]) -> None:
    ask = {**ASK, "stream": True, "stream_options": {**said, "continuous_usage_stats": True}}
    *chunks, _ = (await post_json(app, PATH, ask)).events()
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [1, 2, 3, 3]


async def test_parts_of_characters_are_spelled_apart(app: Litestar, script: Script) -> None:
    script.texts = [""]
    ask = {**ASK, "prompt": [200, 240], "echo": True, "logprobs": 0, "max_tokens": 0}
    (choice,) = (await post_json(app, PATH, ask)).json()["choices"]
    assert choice["logprobs"]["tokens"] == ["\xc8", "bytes:\\xf0\\x9f"]
    assert choice["text"] == "\xc8\ufffd"


async def test_the_stop_that_ended_an_answer_is_told(app: Litestar, script: Script) -> None:
    script.stop_reason = 0
    (choice,) = (await post_json(app, PATH, ASK)).json()["choices"]
    assert choice["stop_reason"] == 0
