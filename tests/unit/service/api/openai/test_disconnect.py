"""Whoever goes takes its generation along."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from litestar import Litestar

from service.api import streamed
from service.errors import EngineFailure
from tests.unit.service.api.asgi import Exchange, start
from tests.unit.service.api.fakes import FakeModel, Script

pytestmark = pytest.mark.anyio

ASK: dict[str, Any] = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}


def ask(app: Litestar, **fields: object) -> Exchange:
    return start(app, "POST", "/v1/chat/completions", body=json.dumps({**ASK, **fields}).encode())


async def until_generating(model: FakeModel) -> None:
    async with asyncio.timeout(5):
        while not model.generations or not model.generations[0].num_output_tokens:
            await asyncio.sleep(0)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
async def test_hanging_up_mid_answer_aborts_it(
    app: Litestar, script: Script, model: FakeModel, stream: bool, n: int
) -> None:
    script.hold_before = 1
    exchange = ask(app, stream=stream, n=n)
    await until_generating(model)
    assert not any(generation.is_aborted for generation in model.generations)
    exchange.hang_up()
    await exchange.finished()
    assert [generation.is_aborted for generation in model.generations] == [True] * n


@pytest.mark.parametrize("stream", [False, True])
async def test_the_failure_of_one_choice_aborts_the_others(
    app: Litestar, script: Script, model: FakeModel, stream: bool
) -> None:
    script.error = EngineFailure("A step failed.")
    reply = await ask(app, stream=stream, n=3).finished()
    assert reply.status == (200 if stream else 500)
    assert b"engine_failure" in reply.body
    assert [generation.is_aborted for generation in model.generations] == [True] * 3


@pytest.mark.parametrize("stream", [False, True])
async def test_hanging_up_before_the_first_token_aborts_it(
    app: Litestar, script: Script, model: FakeModel, stream: bool
) -> None:
    script.hold_before = 0
    exchange = ask(app, stream=stream)
    exchange.hang_up()
    await exchange.finished()
    assert model.generations[0].is_aborted


async def test_a_cancelled_request_aborts_its_generation(
    app: Litestar, script: Script, model: FakeModel
) -> None:
    script.hold_before = 1
    exchange = ask(app, stream=True)
    await until_generating(model)
    exchange.task.cancel()
    await asyncio.wait([exchange.task])
    assert model.generations[0].is_aborted


async def test_hanging_up_within_the_body_starts_nothing(app: Litestar, model: FakeModel) -> None:
    exchange = start(app, "POST", "/v1/chat/completions", body=[])
    exchange.hang_up()
    await exchange.finished()
    assert model.generations == []


async def test_a_finished_answer_frees_its_generation_too(app: Litestar, model: FakeModel) -> None:
    await ask(app).finished()
    assert model.generations[0].is_aborted


async def test_what_gathers_while_a_write_lasts_leaves_in_one(
    app: Litestar, script: Script
) -> None:
    script.texts = [str(i) for i in range(100)]
    exchange = ask(app, stream=True)
    reply = await exchange.finished()
    assert len(reply.events()) == 103
    assert len(reply.sends) < 10


async def test_a_silent_stream_is_kept_alive_with_comments(
    app: Litestar, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "PING_INTERVAL_S", 0.01)
    script.hold_before = 1
    exchange = ask(app, stream=True)
    async with asyncio.timeout(5):
        while exchange.reply.body.count(b": ping\n\n") < 2:
            await asyncio.sleep(0.005)
    script.go_on.set()
    reply = await exchange.finished()
    assert reply.is_complete
    assert reply.events()[-1] == "[DONE]"
