"""A client that calls an ASGI application directly, so that it can hang up or be slow at will."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar

JSON_HEADERS = {"host": "localhost:11434", "content-type": "application/json"}


@dataclass
class Reply:
    """What the application has sent so far. `is_complete` once it has sent all."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sends: list[bytes] = field(default_factory=list)
    is_complete: bool = False

    def json(self) -> Any:  # noqa: ANN401  whatever the server sent
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The data of a stream's events, decoded; `[DONE]` as it is."""
        blocks = [block for block in self.body.decode().split("\n\n") if block]
        data = [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]
        return [item if item == "[DONE]" else json.loads(item) for item in data]


@dataclass
class Exchange:
    """One request under way. `hang_up` is what a client does that closes the connection."""

    reply: Reply
    task: asyncio.Task[None]
    _gone: asyncio.Event

    def hang_up(self) -> None:
        self._gone.set()

    async def finished(self) -> Reply:
        await asyncio.wait_for(self.task, 5)
        return self.reply


def start(
    app: Litestar,
    method: str,
    path: str,
    *,
    body: bytes | list[bytes] = b"",
    headers: Mapping[str, str] | list[tuple[str, str]] = JSON_HEADERS,
    query: str = "",
) -> Exchange:
    """Sends a request, its body in as many chunks as given. Runs in a task of its own."""
    chunks = [body] if isinstance(body, bytes) else list(body)
    gone = asyncio.Event()
    reply = Reply()

    async def receive() -> dict[str, Any]:
        if chunks:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        reply.sends.append(message["body"])
        reply.body += message["body"]
        reply.is_complete = not message.get("more_body", False)

    pairs = headers.items() if isinstance(headers, Mapping) else headers
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in pairs],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 11434),
    }
    call: Any = app(scope, receive, send)  # type: ignore[arg-type]
    return Exchange(reply, asyncio.ensure_future(call), gone)


async def request(
    app: Litestar,
    method: str,
    path: str,
    *,
    body: bytes | list[bytes] = b"",
    headers: Mapping[str, str] | list[tuple[str, str]] = JSON_HEADERS,
    query: str = "",
) -> Reply:
    exchange = start(app, method, path, body=body, headers=headers, query=query)
    return await exchange.finished()


async def post_json(app: Litestar, path: str, content: object) -> Reply:
    return await request(app, "POST", path, body=json.dumps(content).encode())
