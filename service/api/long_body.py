"""Bodies of any length, read piece by piece, of clients that must go on sending."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, cast

from litestar.types import HTTPScope, Receive

from service.api.body import ClientDisconnected, check_encoding, header
from service.api.exchange import exchange_of
from service.errors import UnsupportedMediaType, UploadStalled

EXTENSION: Final = "retort.body_deadline"
"""Of the ASGI scope: `lifted` is a context in which the server does not limit the body's time."""

PIECE_BYTES: Final = 1 << 20
PIECE_DEADLINE_S: Final = 60.0
"""For each piece, so that a byte now and then does not extend it."""

_BINARY: Final = b"application/octet-stream"


async def body_pieces(scope: HTTPScope, receive: Receive) -> AsyncGenerator[bytearray, None]:
    """The body in pieces of about PIECE_BYTES. To be closed.

    Raises UnsupportedMediaType, UploadStalled, ClientDisconnected.
    """
    _check_headers(scope)
    exchange_of(scope).keeps_body = False
    with _deadline_lifted(scope):
        is_last = False
        while not is_last:
            try:
                async with asyncio.timeout(PIECE_DEADLINE_S):
                    piece, is_last = await _piece(receive)
            except TimeoutError:
                raise UploadStalled("The client sends nothing more, or too slowly.") from None
            yield piece


def body_length(scope: HTTPScope) -> int:
    """As far as the client has told it."""
    length = header(scope, b"content-length") or b""
    return int(length) if length.isdigit() and len(length) < 19 else 0


async def _piece(receive: Receive) -> tuple[bytearray, bool]:
    """A piece, and whether it is the last."""
    piece = bytearray()
    while len(piece) < PIECE_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        piece += message.get("body", b"")
        if not message.get("more_body", False):
            return piece, True
    return piece, False


def _check_headers(scope: HTTPScope) -> None:
    # Browsers ask before they send this type elsewhere, and name the origin of whatever they send.
    is_page = header(scope, b"origin") is not None
    if is_page and (header(scope, b"content-type") or b"").strip().lower() != _BINARY:
        raise UnsupportedMediaType(
            "A page must say what it sends: 'Content-Type: application/octet-stream'."
        )
    check_encoding(scope)


def _deadline_lifted(scope: HTTPScope) -> AbstractContextManager[None]:
    lifted = ((scope.get("extensions") or {}).get(EXTENSION) or {}).get("lifted")
    if lifted is None:
        return nullcontext()
    return cast("Callable[[], AbstractContextManager[None]]", lifted)()
