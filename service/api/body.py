"""From a request's bytes to JSON that may be decoded: type, size, encoding and depth."""

from __future__ import annotations

from itertools import accumulate

from litestar.types import HTTPScope, Receive

from service.errors import RequestError, RequestTooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64

_UNSAID_TYPES = frozenset({b"", b"application/x-www-form-urlencoded", b"text/plain"})
"""What curl and `fetch` say of a body whose type nobody has told them."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)


class ClientDisconnected(Exception):
    """The client has gone before its request was complete."""


async def read_json_body(
    scope: HTTPScope, receive: Receive, *, allows_unsaid: bool = False
) -> bytes:
    """The body, valid UTF-8 and nested no deeper than MAX_DEPTH.

    With `allows_unsaid` it need not say that it is JSON, as Ollama's examples do not, unless a page
    has sent it. Raises UnsupportedMediaType, RequestTooLarge, RequestError, ClientDisconnected.
    """
    _check_headers(scope, allows_unsaid=allows_unsaid)
    body = await _read(receive)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise invalid_json(f"byte {error.start} is not valid UTF-8") from None
    if nesting_depth(body) > MAX_DEPTH:
        raise invalid_json(f"it is nested more than {MAX_DEPTH} levels deep")
    return body


def invalid_json(reason: str) -> RequestError:
    return RequestError(f"The body cannot be read as JSON: {reason}.", code="invalid_json")


def header(scope: HTTPScope, name: bytes) -> bytes | None:
    """The first header of that name in lower case."""
    return next((value for key, value in scope["headers"] if key == name), None)


def nesting_depth(body: bytes) -> int:
    """How deep arrays and objects are nested, at most, or a little more than that.

    Decoders recurse, so this must be known first. Two passes at C speed; where there are few
    brackets, their number is answer enough.
    """
    num_brackets = body.count(b"[") + body.count(b"{")
    if num_brackets <= MAX_DEPTH:
        return num_brackets
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    brackets = outside_strings.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _check_headers(scope: HTTPScope, *, allows_unsaid: bool) -> None:
    media_type = (header(scope, b"content-type") or b"").partition(b";")[0].strip().lower()
    # Browsers name the origin of what they send elsewhere, and ask before they send JSON.
    is_unsaid = media_type in _UNSAID_TYPES and header(scope, b"origin") is None
    if media_type != b"application/json" and not (allows_unsaid and is_unsaid):
        raise UnsupportedMediaType(
            "The body must be JSON and say so: send the header 'Content-Type: application/json' "
            "(with curl: -H 'Content-Type: application/json')."
        )
    check_encoding(scope)
    length = header(scope, b"content-length") or b"0"
    if not length.isdigit() or len(length) > 15 or int(length) > MAX_BODY_BYTES:
        raise _too_large()


def check_encoding(scope: HTTPScope) -> None:
    """Raises UnsupportedMediaType."""
    if (header(scope, b"content-encoding") or b"identity").lower() != b"identity":
        raise UnsupportedMediaType("The body must not be compressed.")


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> RequestTooLarge:
    return RequestTooLarge(f"The body must not be larger than {MAX_BODY_BYTES // 2**20} MiB.")
