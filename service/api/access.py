"""Who may talk to this server: names it is called by, pages that call it, keys."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from litestar.types import HTTPScope

from service.api.body import header
from service.errors import Forbidden, InvalidApiKey
from service.settings import Settings

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_CONTAINER_NAMES: Final = frozenset({"host.docker.internal", "host.containers.internal"})
"""What containers call the machine they run on. Nobody on the Internet can own such a name."""

_DESKTOP_ORIGINS: Final = (
    "app://*",
    "file://*",
    "tauri://*",
    "http://tauri.localhost",
    "https://tauri.localhost",
    "vscode-file://*",
    "vscode-webview://*",
)
"""Programs on this machine that are built of pages; no web site can have such an origin."""

_OPEN_PATHS: Final = frozenset({"/", "/health"})
_BEARER: Final = b"bearer "


@dataclass(frozen=True, slots=True)
class Access:
    """Who may talk to the server.

    `hosts` are the names it answers to; None is any. Of `origins`, a `*` stands for anything.
    """

    hosts: frozenset[str] | None
    local_names: frozenset[str]
    origins: tuple[str, ...]
    key_digests: tuple[bytes, ...]

    @classmethod
    def of(cls, settings: Settings) -> Access:
        names = _LOOPBACK_NAMES | {settings.host}
        return cls(
            hosts=names | _CONTAINER_NAMES if settings.is_loopback else None,
            local_names=names | {"0.0.0.0"},
            origins=_DESKTOP_ORIGINS + settings.allowed_origins,
            key_digests=tuple(_digest(key.encode()) for key in settings.api_keys),
        )

    def check(self, scope: HTTPScope) -> None:
        """Raises Forbidden or InvalidApiKey. Headers that proxies add count for nothing."""
        if self.hosts is not None:
            self._check_host(scope, self.hosts)
        is_open = scope["path"] in _OPEN_PATHS or scope["method"] == "OPTIONS"
        if self.key_digests and not is_open:
            self._check_key(scope)

    def allowed_origin(self, scope: HTTPScope) -> bytes | None:
        """The origin of the page that asks, if such pages may read the replies."""
        origin = header(scope, b"origin")
        return origin if origin is not None and self._allows(origin) else None

    def _allows(self, origin: bytes) -> bool:
        if _host(origin) in self.local_names:
            return True
        text = origin.decode("latin-1").lower()
        return any(_matches(text, pattern) for pattern in self.origins)

    def _check_host(self, scope: HTTPScope, hosts: frozenset[str]) -> None:
        if _host(b"//" + (header(scope, b"host") or b"")) not in hosts:
            raise Forbidden("The Host header names another server than this one.")
        if header(scope, b"origin") is not None and self.allowed_origin(scope) is None:
            raise Forbidden(
                "Pages of other sites may not use this server; --allow-origin lets them in."
            )

    def _check_key(self, scope: HTTPScope) -> None:
        """Compares every key given with every key known, so that time tells nothing of them."""
        is_known = False
        for digest in map(_digest, _given_keys(scope)):
            for known in self.key_digests:
                is_known |= hmac.compare_digest(digest, known)
        if not is_known:
            raise InvalidApiKey(
                "The API key is missing or wrong. Send it as 'Authorization: Bearer KEY' or as "
                "'x-api-key: KEY'."
            )


def _given_keys(scope: HTTPScope) -> list[bytes]:
    """OpenAI's clients and Anthropic's send the key in different headers."""
    authorization = header(scope, b"authorization") or b""
    is_bearer = authorization[: len(_BEARER)].lower() == _BEARER
    keys = [authorization[len(_BEARER) :]] if is_bearer else []
    return [key.strip() for key in (*keys, header(scope, b"x-api-key") or b"") if key.strip()]


def _matches(origin: str, pattern: str) -> bool:
    start, star, end = pattern.partition("*")
    if not star:
        return origin == pattern
    is_long_enough = len(origin) >= len(start) + len(end)
    return is_long_enough and origin.startswith(start) and origin.endswith(end)


def _host(url: bytes) -> str | None:
    """The host that a URL names, in lower case and without brackets; None if it names none."""
    try:
        return urlsplit(url.decode("ascii")).hostname
    except (UnicodeDecodeError, ValueError):
        return None


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
