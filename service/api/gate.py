"""What every request passes first: who may talk to this server, and the headers of its replies."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service.api.body import header
from service.api.error_mapping import error_body, error_headers
from service.errors import Forbidden, InvalidApiKey, RequestError
from service.settings import Settings

_LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OPEN_PATHS: Final = frozenset({"/", "/health"})
_BEARER: Final = b"bearer "


@dataclass(frozen=True, slots=True)
class Access:
    """Who may talk to the server. `hosts` None is everyone who reaches it."""

    hosts: frozenset[str] | None
    key_digest: bytes | None

    @classmethod
    def of(cls, settings: Settings) -> Access:
        hosts = _LOOPBACK_HOSTS | {settings.host} if settings.is_loopback else None
        key = settings.api_key
        return cls(hosts, None if key is None else _digest(key.encode()))

    def check(self, scope: HTTPScope) -> None:
        """Raises Forbidden or InvalidApiKey. Headers that proxies add count for nothing."""
        if self.hosts is not None:
            self._check_host(scope, self.hosts)
        is_open = scope["path"] in _OPEN_PATHS or scope["method"] == "OPTIONS"
        if self.key_digest is not None and not is_open:
            self._check_key(header(scope, b"authorization") or b"", self.key_digest)

    def allowed_origin(self, scope: HTTPScope) -> bytes | None:
        """The page's origin, if it is one of this machine."""
        origin = header(scope, b"origin")
        if origin is None or self.hosts is None or _host(origin) not in self.hosts:
            return None
        return origin

    def _check_host(self, scope: HTTPScope, hosts: frozenset[str]) -> None:
        if _host(b"//" + (header(scope, b"host") or b"")) not in hosts:
            raise Forbidden("The Host header names another server than this one.")
        if header(scope, b"origin") is not None and self.allowed_origin(scope) is None:
            raise Forbidden("Pages of other sites may not use this server.")

    def _check_key(self, authorization: bytes, digest: bytes) -> None:
        given = authorization[len(_BEARER) :].strip()
        is_bearer = authorization[: len(_BEARER)].lower() == _BEARER
        if not hmac.compare_digest(_digest(given), digest) or not is_bearer:
            raise InvalidApiKey(
                "The API key is missing or wrong. Send it as 'Authorization: Bearer KEY'."
            )


class Gate:
    """Lets through what `access` allows and marks every reply with an id and its duration."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        started = time.perf_counter()
        extra = [(b"x-request-id", b"req_" + secrets.token_hex(16).encode())]

        async def marked_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = round((time.perf_counter() - started) * 1000)
                duration = (b"openai-processing-ms", str(milliseconds).encode())
                message["headers"] = [*message["headers"], *extra, duration]
            await send(message)

        try:
            _check_framing(scope)
            self._access.check(scope)
        except RequestError as error:
            await _refuse(error, marked_send)
            return
        origin = self._access.allowed_origin(scope)
        if origin is not None:
            extra += [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
            if header(scope, b"access-control-request-method") is not None:
                await _answer_preflight(scope, marked_send)
                return
        await self._app(scope, receive, marked_send)


def _check_framing(scope: HTTPScope) -> None:
    """Two lengths are how requests are hidden in the bodies of others behind some proxies."""
    if header(scope, b"transfer-encoding") and header(scope, b"content-length"):
        raise RequestError(
            "A request has either a Content-Length or a Transfer-Encoding.", code="bad_request"
        )


async def _refuse(error: RequestError, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
    headers.append((b"content-type", b"application/json"))
    await _send(send, error.status, headers, error_body(error))


async def _answer_preflight(scope: HTTPScope, send: Send) -> None:
    wanted = header(scope, b"access-control-request-headers") or b"content-type"
    headers = [
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", b"600"),
    ]
    await _send(send, 204, headers, b"")


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    if status != 204:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _host(url: bytes) -> str | None:
    """The host that a URL names, in lower case and without brackets; None if it names none."""
    try:
        return urlsplit(url.decode("ascii")).hostname
    except (UnicodeDecodeError, ValueError):
        return None


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
