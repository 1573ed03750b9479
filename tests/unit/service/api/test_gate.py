"""Who may talk to the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from litestar import Litestar

from service.app import create_app
from tests.unit.service.api.asgi import Reply, request
from tests.unit.service.api.fakes import Script, fake_pool, settings

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(**changes: str | None) -> AsyncIterator[Litestar]:
    app = create_app(settings(**changes), lambda _: fake_pool(Script()))
    async with app.lifespan():
        yield app


async def get(app: Litestar, path: str = "/v1/models", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await request(app, "GET", path, headers=named)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:11434", "[::1]:11434"])
async def test_this_machines_names_are_served(app: Litestar, host: str) -> None:
    assert (await get(app, host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.com", "localhost.evil.com", "evil.com:80", "", "127.0.0.1@evil.com", "[::1", "\xff"],
)
@pytest.mark.parametrize("path", ["/v1/models", "/", "/health"])
async def test_other_names_are_refused(app: Litestar, host: str, path: str) -> None:
    reply = await get(app, path, host=host, x_forwarded_host="localhost")
    assert (reply.status, reply.json()["error"]["type"]) == (403, "permission_error")


async def test_a_missing_host_is_refused(app: Litestar) -> None:
    assert (await get(app)).status == 403


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "", "http://localhost.evil.com"])
async def test_pages_of_other_sites_are_refused(app: Litestar, origin: str) -> None:
    reply = await get(app, host="localhost", origin=origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


async def test_pages_of_this_machine_may_read_replies(app: Litestar) -> None:
    origin = "http://localhost:3000"
    reply = await get(app, host="localhost", origin=origin)
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, origin)
    headers = {
        "host": "localhost",
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-os",
    }
    preflight = await request(app, "OPTIONS", "/v1/chat/completions", headers=headers)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-stainless-os"


async def test_without_a_key_any_key_will_do(app: Litestar) -> None:
    assert (await get(app, host="localhost", authorization="Bearer whatever")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Bearer "},
        {"authorization": "s3cret"},
        {"authorization": "Basic s3cret"},
        {"x_api_key": "s3cret"},
    ],
)
async def test_with_a_key_nothing_else_will_do(headers: dict[str, str]) -> None:
    async with running(api_key="s3cret") as app:
        reply = await get(app, host="localhost", **headers)
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "s3cret" not in error["message"]


async def test_with_a_key_its_holder_is_served_and_health_is_open() -> None:
    async with running(api_key="s3cret") as app:
        held = await get(app, host="localhost", authorization="bearer s3cret")
        assert held.status == 200
        assert (await get(app, "/health", host="localhost")).status == 200
        assert (await get(app, "/", host="localhost")).status == 200
        assert (await get(app, "/nothing", host="localhost")).status == 401


async def test_a_public_address_is_served_under_any_name_but_not_to_pages() -> None:
    async with running(host="0.0.0.0", api_key="s3cret") as app:
        reply = await get(
            app, host="box.example", origin="http://evil.com", authorization="Bearer s3cret"
        )
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers
