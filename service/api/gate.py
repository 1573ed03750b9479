"""What every request passes first: who may talk to this server, and the headers of its replies."""

from __future__ import annotations

import re
import secrets
import time
from typing import Final, TypeAlias

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service.api.access import Access
from service.api.body import header
from service.api.connection import CLIENT_GONE
from service.api.error_mapping import error_body_at, error_headers
from service.api.exchange import begin_exchange
from service.api.http_metrics import HttpMetrics
from service.api.request_log import RequestLog
from service.api.request_target import in_origin_form
from service.errors import RequestError

Headers: TypeAlias = list[tuple[bytes, bytes]]

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_EXPOSED: Final = b"x-request-id, request-id, openai-processing-ms, retry-after"
_ANTHROPIC: Final = "/v1/messages"
_USUAL_HEADERS: Final = b"authorization, content-type, x-api-key, anthropic-version, openai-beta"


class Gate:
    """Lets through what `access` allows, marks every reply with an id and its duration, counts and
    logs it, and lets go of the models it used.

    HEAD is answered as GET is, without the body.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: HttpMetrics, log: RequestLog) -> None:
        self._app = app
        self._log = log
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        scope = in_origin_form(scope)
        if scope["method"] == "HEAD":
            # A copy: the server beneath goes by its own that no body follows.
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        origin = self._access.allowed_origin(scope)
        exchange = begin_exchange(scope, _request_id(scope))
        reply = _Reply(send, [*_own_headers(scope, exchange.request_id), *_cors_headers(origin)])
        try:
            with exchange.ends:
                await self._answer(scope, self._log.heard(receive, exchange), reply, origin)
        finally:
            # Set by the routing, on requests that came so far and have a route.
            endpoint = scope.get("path_template") or "none"
            seconds = time.perf_counter() - reply.started_s
            self._metrics.record(endpoint, reply.status, seconds)
            self._log.answered(scope, exchange, reply.status, seconds)

    async def _answer(
        self, scope: HTTPScope, receive: Receive, reply: _Reply, origin: bytes | None
    ) -> None:
        try:
            _check_target(scope)
            _check_framing(scope)
            self._access.check(scope)
        except RequestError as error:
            await _refuse(scope, error, reply)
            return
        if origin is not None and header(scope, b"access-control-request-method") is not None:
            await _answer_preflight(scope, reply)
            return
        await self._app(scope, receive, reply)


class _Reply:
    """Sends a reply with `extra` headers and its duration. Without a `status` the client has gone
    before there was one."""

    def __init__(self, send: Send, extra: Headers) -> None:
        self.status: int = CLIENT_GONE
        self.started_s = time.perf_counter()
        self._send = send
        self._extra = extra

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            milliseconds = round((time.perf_counter() - self.started_s) * 1000)
            duration = (b"openai-processing-ms", str(milliseconds).encode())
            message["headers"] = [*message["headers"], *self._extra, duration]
        await self._send(message)


def _request_id(scope: HTTPScope) -> str:
    """A client's own id is kept, so that its logs and those of proxies name the same request."""
    request_id = header(scope, b"x-request-id") or b""
    if _REQUEST_ID.fullmatch(request_id):
        return request_id.decode()
    return "req_" + secrets.token_hex(16)


def _own_headers(scope: HTTPScope, request_id: str) -> Headers:
    names = [b"x-request-id"]
    if scope["path"].startswith(_ANTHROPIC):
        names.append(b"request-id")  # where Anthropic's clients look for it
    return [(name, request_id.encode()) for name in names]


def _cors_headers(origin: bytes | None) -> Headers:
    if origin is None:
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"origin"),
    ]


def _without_body(send: Send) -> Send:
    async def bodiless_send(message: Message) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return bodiless_send


def _check_target(scope: HTTPScope) -> None:
    if not scope["path"].startswith("/"):
        raise RequestError("The request's target must begin with a slash.", code="bad_request")


def _check_framing(scope: HTTPScope) -> None:
    """Two lengths are how requests are hidden in the bodies of others behind some proxies."""
    if header(scope, b"transfer-encoding") and header(scope, b"content-length"):
        raise RequestError(
            "A request has either a Content-Length or a Transfer-Encoding.", code="bad_request"
        )


async def _refuse(scope: HTTPScope, error: RequestError, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
    headers.append((b"content-type", b"application/json"))
    await _send(send, error.status, headers, error_body_at(scope["path"], error))


async def _answer_preflight(scope: HTTPScope, send: Send) -> None:
    """The page's origin is let in, and with it whatever headers its client sends."""
    wanted = header(scope, b"access-control-request-headers") or _USUAL_HEADERS
    headers = [
        (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE, OPTIONS"),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", b"600"),
    ]
    if header(scope, b"access-control-request-private-network") == b"true":
        headers.append((b"access-control-allow-private-network", b"true"))
    await _send(send, 204, headers, b"")


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    if status != 204:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
