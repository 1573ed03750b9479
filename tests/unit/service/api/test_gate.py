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
async def running(
    host: str = "127.0.0.1",
    *,
    api_keys: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
) -> AsyncIterator[Litestar]:
    changed = settings(host, api_keys=api_keys, allowed_origins=allowed_origins)
    app = create_app(changed, lambda _: fake_pool(Script()))
    async with app.lifespan():
        yield app


async def get(app: Litestar, path: str = "/v1/models", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await request(app, "GET", path, headers=named)


async def preflight(
    app: Litestar, origin: str, *, host: str = "localhost", **headers: str
) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = {"host": host, "origin": origin, "access-control-request-method": "POST", **named}
    return await request(app, "OPTIONS", "/v1/chat/completions", headers=asked)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:11434",
        "[::1]:11434",
        "host.docker.internal:11434",
    ],
)
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


OTHER_SITES = [
    "http://evil.com",
    "null",
    "",
    "http://localhost.evil.com",
    "https://tauri.localhost.evil.com",
    "http://evil.com/app://",
    "xapp://evil.com",
    "chrome-extension://abcdefghijklmnop",
    "\xff://localhost",
]


@pytest.mark.parametrize("origin", OTHER_SITES)
async def test_pages_of_other_sites_are_refused(app: Litestar, origin: str) -> None:
    reply = await get(app, host="localhost", origin=origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("origin", OTHER_SITES)
async def test_preflights_of_other_sites_are_refused(app: Litestar, origin: str) -> None:
    reply = await preflight(app, origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers


LOCAL_PAGES = [
    "http://localhost:3000",
    "https://127.0.0.1",
    "http://[::1]:5173",
    "http://0.0.0.0:8000",
    "app://obsidian.md",
    "file://",
    "tauri://localhost",
    "http://tauri.localhost",
    "https://tauri.localhost",
    "capacitor://localhost",
    "vscode-webview://1abc2def",
    "vscode-file://vscode-app",
]


@pytest.mark.parametrize("origin", LOCAL_PAGES)
async def test_pages_of_this_machine_may_read_replies(app: Litestar, origin: str) -> None:
    reply = await get(app, host="localhost", origin=origin)
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, origin)
    assert reply.headers["vary"] == "origin"
    exposed = reply.headers["access-control-expose-headers"]
    assert {"x-request-id", "openai-processing-ms"} <= set(exposed.split(", "))


async def test_a_preflight_grants_what_the_official_clients_send(app: Litestar) -> None:
    wanted = (
        "authorization,openai-beta,x-stainless-os,x-stainless-retry-count,anthropic-version,"
        "x-api-key,content-type"
    )
    reply = await preflight(app, "http://localhost:3000", access_control_request_headers=wanted)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-headers"] == wanted
    assert {"GET", "POST", "DELETE"} <= set(
        reply.headers["access-control-allow-methods"].split(", ")
    )
    assert "access-control-allow-private-network" not in reply.headers


async def test_a_preflight_of_a_private_network_is_granted_to_those_let_in(app: Litestar) -> None:
    reply = await preflight(app, "app://obsidian.md", access_control_request_private_network="true")
    assert reply.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize(
    ("allowed", "origin", "is_let_in"),
    [
        ("https://chat.example", "https://chat.example", True),
        ("https://chat.example", "https://chat.example:8443", False),
        ("https://chat.example", "http://chat.example", False),
        ("https://*.example", "https://chat.example", True),
        ("https://*.example", "https://.exampl", False),
        ("https://*.example", "https://example", False),
        ("chrome-extension://*", "chrome-extension://abcdefghijklmnop", True),
        ("chrome-extension://*", "moz-extension://abcdefghijklmnop", False),
        ("null", "null", True),
        ("*", "http://evil.com", True),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_further_origins_can_be_let_in(
    host: str, allowed: str, origin: str, is_let_in: bool
) -> None:
    async with running(host, allowed_origins=("http://other.example", allowed)) as app:
        reply = await get(app, host="localhost", origin=origin)
    assert (reply.headers.get("access-control-allow-origin") == origin) == is_let_in
    assert (reply.status == 200) == (is_let_in or host == "0.0.0.0")


async def test_an_origin_let_in_is_no_way_around_the_host_header() -> None:
    async with running(allowed_origins=("*",)) as app:
        reply = await get(app, host="evil.com", origin="http://evil.com")
    assert reply.status == 403


async def test_without_a_key_any_key_will_do(app: Litestar) -> None:
    assert (await get(app, host="localhost", authorization="Bearer whatever")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Bearer s3cret,other"},
        {"authorization": "Bearer "},
        {"authorization": "s3cret"},
        {"authorization": "Basic s3cret"},
        {"x_api_key": "wrong"},
        {"x_api_key": ""},
        {"x_api_key": "Bearer s3cret"},
    ],
)
async def test_with_keys_nothing_else_will_do(headers: dict[str, str]) -> None:
    async with running(api_keys=("s3cret", "other")) as app:
        reply = await get(app, host="localhost", **headers)
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "s3cret" not in error["message"]


@pytest.mark.parametrize("key", ["s3cret", "other"])
async def test_with_keys_their_holders_are_served_and_health_is_open(key: str) -> None:
    async with running(api_keys=("s3cret", "other")) as app:
        for headers in (
            {"authorization": f"bearer {key}"},
            {"x_api_key": key},
            {"authorization": "Bearer of-a-proxy", "x_api_key": key},
        ):
            assert (await get(app, host="localhost", **headers)).status == 200
        assert (await get(app, "/health", host="localhost")).status == 200
        assert (await get(app, "/", host="localhost")).status == 200
        assert (await get(app, "/nothing", host="localhost")).status == 401


async def test_every_key_is_compared_with_every_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return given == known

    monkeypatch.setattr("service.api.access.hmac.compare_digest", compare)
    async with running(api_keys=("first", "second", "third")) as app:
        for key in ("first", "third", "wrong"):
            compared.clear()
            await get(app, host="localhost", authorization=f"Bearer {key}")
            assert len(set(compared)) == 3


async def test_a_page_of_this_machine_can_read_that_its_key_is_wrong() -> None:
    async with running(api_keys=("s3cret",)) as app:
        reply = await get(app, host="localhost", origin="http://localhost:3000")
        asked = await preflight(app, "http://localhost:3000")
    assert (reply.status, asked.status) == (401, 204)
    assert reply.headers["access-control-allow-origin"] == "http://localhost:3000"


async def test_a_public_address_is_served_under_any_name_but_not_to_pages() -> None:
    async with running("0.0.0.0", api_keys=("s3cret",)) as app:
        reply = await get(
            app, host="box.example", origin="http://evil.com", authorization="Bearer s3cret"
        )
        asked = await preflight(app, "http://evil.com", host="box.example")
    assert reply.status == 200
    for answer in (reply, asked):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("own", ["trace-1", "0b7c:4.2_x", "a" * 128])
async def test_a_clients_own_request_id_is_kept(app: Litestar, own: str) -> None:
    reply = await get(app, host="localhost", x_request_id=own)
    assert reply.headers["x-request-id"] == own


@pytest.mark.parametrize("own", ["", "a b", "a" * 129, "<script>", "\xff"])
async def test_a_request_id_that_is_none_is_replaced(app: Litestar, own: str) -> None:
    first, second = [await get(app, host="localhost", x_request_id=own) for _ in range(2)]
    assert first.headers["x-request-id"].startswith("req_")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_each_dialects_clients_find_the_id_where_they_look(app: Litestar) -> None:
    ours = await get(app, host="localhost")
    assert "request-id" not in ours.headers
    other = await get(app, "/v1/messages", host="localhost")
    assert other.headers["request-id"] == other.headers["x-request-id"]


async def test_every_reply_tells_its_duration(app: Litestar) -> None:
    for path in ("/v1/models", "/nothing"):
        assert (await get(app, path, host="localhost")).headers["openai-processing-ms"].isdigit()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/health", 200), ("/v1/models", 200), ("/v1/models/no", 404), ("/no", 404)],
)
async def test_head_is_get_without_the_body(app: Litestar, path: str, status: int) -> None:
    headers = {"host": "localhost"}
    got = await request(app, "GET", path, headers=headers)
    head = await request(app, "HEAD", path, headers=headers)
    assert (head.status, head.body) == (status, b"")
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.body))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/no?x=1"])
async def test_a_whole_url_is_its_path_here(app: Litestar, path: str) -> None:
    expected = await get(app, path.partition("?")[0], host="localhost")
    reply = await get(app, f"http://localhost:11434{path}", host="evil.com")
    assert (reply.status, reply.body) == (expected.status, expected.body)


async def test_the_host_of_a_whole_url_is_the_one_that_counts(app: Litestar) -> None:
    assert (await get(app, "http://evil.com/v1/models", host="localhost")).status == 403
    assert (await get(app, "http://localhost", host="localhost")).body == b"Ollama is running"


async def test_options_may_ask_of_the_server_itself(app: Litestar) -> None:
    reply = await request(app, "OPTIONS", "*", headers={"host": "localhost"})
    assert reply.status == 204
    assert "GET" in reply.headers["allow"]


@pytest.mark.parametrize(
    "target", ["*", "health", "localhost:11434", "http://", "http://[::1", "ftp://localhost/health"]
)
async def test_other_targets_are_refused_in_openais_shape(target: str) -> None:
    for keys in ((), ("k",)):
        async with running(api_keys=keys) as served:
            reply = await get(served, target, host="localhost")
            assert (reply.status, reply.json()["error"]["code"]) == (400, "bad_request")
