from __future__ import annotations

import logging

import pytest
from litestar import Litestar

from service.app import create_app
from tests.unit.service.api.asgi import post_json, request
from tests.unit.service.api.fakes import FakePool, Script, settings

pytestmark = pytest.mark.anyio


async def test_the_root_says_that_the_server_runs(app: Litestar) -> None:
    reply = await request(app, "GET", "/")
    assert (reply.status, reply.body) == (200, b"Ollama is running")
    assert (await request(app, "HEAD", "/")).status == 200


async def test_health_tells_the_device_and_turns_503_while_draining(
    app: Litestar, pool: FakePool
) -> None:
    reply = await request(app, "GET", "/health")
    assert reply.status == 200
    assert reply.json() == {
        "status": "ok",
        "device": "cpu",
        "device_reason": "a test asked for it",
        "memory_limit": None,
        "memory_reserved": 0,
        "models": [],
    }
    pool.drain()
    assert (await request(app, "GET", "/health")).status == 503


async def test_new_work_is_refused_while_draining(app: Litestar, pool: FakePool) -> None:
    pool.drain()
    ask = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}
    reply = await post_json(app, "/v1/chat/completions", ask)
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert reply.json()["error"]["code"] == "shutting_down"


async def test_unknown_routes_and_methods_have_openais_shape(app: Litestar) -> None:
    missing = await request(app, "GET", "/v1/nothing")
    assert (missing.status, missing.json()["error"]["code"]) == (404, "unknown_url")
    wrong = await request(app, "GET", "/v1/chat/completions")
    assert (wrong.status, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["allow"]
    for reply in (missing, wrong):
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
        assert "x-request-id" in reply.headers


async def test_an_unforeseen_error_is_logged_and_not_told(
    app: Litestar, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.error = ValueError("/secret/path")
    ask = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}
    with caplog.at_level(logging.ERROR):
        reply = await post_json(app, "/v1/chat/completions", ask)
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert "/secret/path" in caplog.text


async def test_the_pool_is_closed_with_the_application(pool: FakePool) -> None:
    app = create_app(settings(), lambda _: pool)
    async with app.lifespan():
        assert not pool.is_closed
    assert pool.is_closed
