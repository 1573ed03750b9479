"""A request holds its model from the load to the last byte, and says how long it stays then."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import Any

import pytest
from litestar import Litestar

from service.api import patience, streamed
from service.app import create_app
from service.errors import ModelLoading, NotEnoughMemory
from service.settings import Settings
from tests.unit.service.api.asgi import Exchange, post_json, request, start
from tests.unit.service.api.fakes import FakePool, Script

pytestmark = pytest.mark.anyio

MESSAGES = [{"role": "user", "content": "Hi"}]
DIALECTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": MESSAGES}),
    ("/v1/completions", {"prompt": "Hi"}),
    ("/v1/responses", {"input": "Hi"}),
    ("/v1/messages", {"messages": MESSAGES, "max_tokens": 5}),
]


def begin(app: Litestar, path: str, fields: dict[str, Any]) -> Exchange:
    body = json.dumps({"model": "tiny:1b", "stream": True, **fields}).encode()
    return start(app, "POST", path, body=body)


async def until_sent(exchange: Exchange, text: bytes) -> None:
    async with asyncio.timeout(5):
        while text not in exchange.reply.body:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("path", "fields"), DIALECTS)
@pytest.mark.parametrize(("given", "seconds"), [("5m", 300), (0, 0), (-1, math.inf), (None, None)])
async def test_every_dialect_takes_keep_alive(
    app: Litestar,
    pool: FakePool,
    path: str,
    fields: dict[str, Any],
    given: object,
    seconds: float | None,
) -> None:
    reply = await post_json(app, path, {"model": "tiny:1b", "keep_alive": given, **fields})
    assert reply.status == 200
    (lease,) = pool.leases
    assert lease.keep_alive_s == seconds
    assert lease.is_released


@pytest.mark.parametrize(("path", "fields"), DIALECTS)
async def test_a_time_that_is_none_is_refused_by_name(
    app: Litestar, pool: FakePool, path: str, fields: dict[str, Any]
) -> None:
    reply = await post_json(app, path, {"model": "tiny:1b", "keep_alive": "soon", **fields})
    assert reply.status == 400
    assert "keep_alive" in reply.json()["error"]["message"]
    assert pool.leases == []


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_the_model_is_held_until_the_reply_has_ended(
    app: Litestar, pool: FakePool, script: Script, hangs_up: bool
) -> None:
    script.hold_before = 1
    exchange = begin(app, *DIALECTS[0])
    await until_sent(exchange, b"Hel")
    (lease,) = pool.leases
    assert not lease.is_released
    if hangs_up:
        exchange.hang_up()
    script.go_on.set()
    await exchange.finished()
    assert lease.is_released


async def test_a_request_that_is_refused_later_lets_go_of_its_model(
    app: Litestar, pool: FakePool
) -> None:
    ask = {"model": "tiny:1b", "messages": MESSAGES, "reasoning_effort": "low"}
    assert (await post_json(app, "/v1/chat/completions", ask)).status == 400
    assert [lease.is_released for lease in pool.leases] == [True]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (patience, streamed):
        monkeypatch.setattr(module, "PING_INTERVAL_S", 0.02)


@pytest.mark.parametrize(("path", "fields"), DIALECTS)
async def test_a_stream_pings_while_its_model_loads(
    impatient: None, app: Litestar, pool: FakePool, path: str, fields: dict[str, Any]
) -> None:
    pool.is_loaded.clear()
    exchange = begin(app, path, fields)
    ping = b"event: ping" if path == "/v1/messages" else b": ping\n\n"
    async with asyncio.timeout(5):
        while exchange.reply.body.count(ping) < 3:
            await asyncio.sleep(0.001)
    assert exchange.reply.status == 200
    pool.is_loaded.set()
    reply = await exchange.finished()
    assert b"Hel" in reply.body
    assert reply.is_complete
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert [lease.is_released for lease in pool.leases] == [True]


@pytest.mark.parametrize(("path", "fields"), DIALECTS)
async def test_a_load_that_fails_late_is_told_in_the_stream(
    impatient: None, app: Litestar, pool: FakePool, path: str, fields: dict[str, Any]
) -> None:
    pool.is_loaded.clear()
    exchange = begin(app, path, fields)
    await until_sent(exchange, b"ping")
    pool.load_failure = ModelLoading("The model is still being loaded.")
    pool.is_loaded.set()
    reply = await exchange.finished()
    assert reply.is_complete
    assert b"The model is still being loaded." in reply.body
    assert (b"[DONE]" in reply.body) == (path.endswith("completions"))


async def test_a_load_that_fails_soon_has_its_status(app: Litestar, pool: FakePool) -> None:
    pool.load_failure = NotEnoughMemory("It needs 9 GB, and there are 8 GB.")
    reply = await post_json(app, DIALECTS[0][0], {"model": "tiny:1b", "messages": MESSAGES})
    assert (reply.status, reply.json()["error"]["code"]) == (503, "not_enough_memory")


async def test_who_hangs_up_during_a_load_leaves_nothing_behind(
    impatient: None, app: Litestar, pool: FakePool
) -> None:
    pool.is_loaded.clear()
    exchange = begin(app, *DIALECTS[0])
    await until_sent(exchange, b": ping")
    exchange.hang_up()
    await exchange.finished()
    pool.is_loaded.set()
    await asyncio.sleep(0.01)
    assert pool.leases == []


async def logged(pool: FakePool, caplog: pytest.LogCaptureFixture, settings: Settings) -> Any:  # noqa: ANN401
    caplog.set_level(logging.INFO)
    app = create_app(settings, lambda _: pool)
    async with app.lifespan():
        await post_json(app, DIALECTS[0][0], {"model": "tiny:1b", "messages": MESSAGES, "n": 2})
        await request(app, "GET", "/health")
    (record,) = [each for each in caplog.records if each.message == "request"]
    return record.retort_fields  # type: ignore[attr-defined]


async def test_each_request_is_logged_and_not_what_it_says(
    pool: FakePool, caplog: pytest.LogCaptureFixture
) -> None:
    fields = await logged(pool, caplog, Settings())
    assert fields["id"].startswith("req_")
    assert (fields["method"], fields["path"]) == ("POST", "/v1/chat/completions")
    assert (fields["status"], fields["model"]) == (200, "tiny:1b")
    assert fields["output_tokens"] == 6
    assert fields["prompt_tokens"] > 0
    assert 0 < fields["seconds"] < 60
    assert "Hi" not in str(fields)


async def test_what_it_says_is_logged_if_that_is_asked_for(
    pool: FakePool, caplog: pytest.LogCaptureFixture
) -> None:
    fields = await logged(pool, caplog, Settings(log_prompts=True))
    assert json.loads(fields["body"])["messages"] == MESSAGES
