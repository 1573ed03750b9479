"""The one mapping of errors to HTTP: OpenAI's error object, all four keys always there."""

from __future__ import annotations

import logging
from http import HTTPStatus

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from service.api.body import ClientDisconnected
from service.api.state import HttpRequest
from service.errors import EngineFailure, InvalidApiKey, RetortError

_log = logging.getLogger(__name__)

_CLIENT_GONE = 499
"""Nobody will see it; the number is the one that proxies log."""


class ErrorObject(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorObject


def error_body(error: RetortError) -> bytes:
    """The JSON of `error`, as it stands in a response or in the event of a stream."""
    return _encode(error.message, error.type, error.param, error.code)


def error_headers(error: RetortError) -> dict[str, str]:
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, InvalidApiKey):
        headers["www-authenticate"] = "Bearer"
    return headers


def as_retort_error(error: Exception) -> RetortError:
    """`error`, or a generic one for what nobody foresaw, which the log then tells."""
    if isinstance(error, RetortError):
        return error
    _log.error("a request failed unexpectedly", exc_info=error)
    return EngineFailure("The server failed to answer this request.")


def error_response(request: HttpRequest, error: Exception) -> Response[bytes]:
    """Litestar's handler for everything that an endpoint or the routing raises."""
    if isinstance(error, ClientDisconnected):
        return Response(b"", status_code=_CLIENT_GONE)
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _routing_response(request, error)
    known = as_retort_error(error)
    return Response(
        error_body(known),
        status_code=known.status,
        headers=error_headers(known),
        media_type="application/json",
    )


def _routing_response(request: HttpRequest, error: HTTPException) -> Response[bytes]:
    shown = f"{request.method} {request.scope['path'][:200]!r}"
    message, code = {
        HTTPStatus.NOT_FOUND: (f"There is no route {shown}.", "unknown_url"),
        HTTPStatus.METHOD_NOT_ALLOWED: (f"{shown} is not allowed.", "method_not_allowed"),
    }.get(HTTPStatus(error.status_code), ("The request is malformed.", "bad_request"))
    return Response(
        _encode(message, "invalid_request_error", None, code),
        status_code=error.status_code,
        headers=dict(error.headers or {}),
        media_type="application/json",
    )


def _encode(message: str, type_: str, param: str | None, code: str | None) -> bytes:
    return msgspec.json.encode(ErrorBody(ErrorObject(message, type_, param, code)))
