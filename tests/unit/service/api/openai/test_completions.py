from __future__ import annotations

import re
from typing import Any

import pytest
from litestar import Litestar

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
    assert model.calls[-1].continues_text


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
    assert model.calls[0].max_tokens == 16


@pytest.mark.parametrize(
    "prompt",
    [
        [],
        ["a", "b"],
        [[1], [2]],
        [1, "a"],
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
    script.refusal = ContextLengthExceeded(9, 8, param=model.calls[-1].prompt_param)
    error = (await post_json(app, PATH, ASK)).json()["error"]
    assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded")


async def test_a_missing_prompt_is_refused_by_name(app: Litestar) -> None:
    reply = await post_json(app, PATH, {"model": "tiny:1b"})
    assert (reply.status, reply.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 2), ("best_of", 2), ("echo", True), ("suffix", "x"), ("logprobs", 0)],
)
async def test_what_is_not_done_is_refused_by_name(
    app: Litestar, field: str, value: object
) -> None:
    reply = await post_json(app, PATH, {**ASK, field: value})
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (400, "unsupported_parameter")
    assert error["param"] == field
