"""What a derived model's parameters do to requests that say nothing, in every dialect."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from service.engine.request import SamplingParams
from service.store.overrides import Parameters
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakePool

pytestmark = pytest.mark.anyio

PARAMETERS = Parameters(
    num_predict=5,
    temperature=0.5,
    top_k=7,
    top_p=0.8,
    min_p=0.1,
    repeat_penalty=1.2,
    presence_penalty=0.3,
    frequency_penalty=0.4,
    seed=42,
    stop=("END", "###"),
)
EXPECTED = SamplingParams(
    temperature=0.5,
    top_p=0.8,
    frequency_penalty=0.4,
    presence_penalty=0.3,
    seed=42,
    top_k=7,
    min_p=0.1,
    repetition_penalty=1.2,
    repetition_window=64,
)
_MESSAGES = [{"role": "user", "content": "Hi"}]
_BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": _MESSAGES},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi"},
    "/v1/messages": {"messages": _MESSAGES, "max_tokens": 5},
}


@pytest.mark.parametrize("path", _BODIES)
async def test_what_a_request_leaves_out_comes_from_the_model(
    app: Litestar, pool: FakePool, path: str
) -> None:
    pool.model.parameters = PARAMETERS
    reply = await post_json(app, path, {"model": "tiny:1b", **_BODIES[path]})
    assert reply.status == 200
    options = pool.model.calls[0].options
    assert options.sampling == EXPECTED
    assert (options.max_tokens, options.stop) == (5, ("END", "###"))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_what_a_request_says_counts(app: Litestar, pool: FakePool, path: str) -> None:
    pool.model.parameters = PARAMETERS
    said = {
        "max_tokens": 9,
        "temperature": 0,
        "top_p": 1,
        "top_k": 0,
        "min_p": 0,
        "repetition_penalty": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "seed": 1,
        "stop": "X",
    }
    reply = await post_json(app, path, {"model": "tiny:1b", **_BODIES[path], **said})
    assert reply.status == 200
    options = pool.model.calls[0].options
    assert options.sampling == SamplingParams(temperature=0, seed=1)
    assert (options.max_tokens, options.stop) == (9, ("X",))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_a_models_stop_strings_do_not_cut_what_is_held_to_a_form(
    app: Litestar, pool: FakePool, path: str
) -> None:
    pool.model.parameters = PARAMETERS
    body = {"model": "tiny:1b", **_BODIES[path], "response_format": {"type": "json_object"}}
    assert (await post_json(app, path, body)).status == 200
    assert pool.model.calls[0].options.stop == ()
