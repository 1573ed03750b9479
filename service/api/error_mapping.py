"""The one mapping of errors to HTTP: OpenAI's error object, all four keys always there, but for
the routes of other dialects, which have their own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from service.api.anthropic.errors import anthropic_error_body
from service.api.body import ClientDisconnected
from service.api.connection import CLIENT_GONE
from service.api.ollama.errors import ollama_error_body, ollama_status
from service.api.state import HttpRequest
from service.errors import EngineFailure, InvalidApiKey, RequestError, RetortError

_log = logging.getLogger(__name__)


class ErrorObject(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorObject


class _RoutingError(RequestError):
    """What the routing refuses, with its status."""

    def __init__(self, message: str, code: str, status: int) -> None:
        super().__init__(message, code=code)
        self.status = status


def error_body(error: RetortError) -> bytes:
    """The JSON of `error`, as it stands in a response or in the event of a stream."""
    return msgspec.json.encode(
        ErrorBody(ErrorObject(error.message, error.type, error.param, error.code))
    )


def _usual_status(error: RetortError) -> int:
    return error.status


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How an error is told at `route` and below."""

    route: str
    body: Callable[[RetortError], bytes]
    status: Callable[[RetortError], int] = _usual_status


_OPENAI: Final = _Dialect("", error_body)
_OTHERS: Final = (
    _Dialect("/v1/messages", anthropic_error_body),
    _Dialect("/api", ollama_error_body, ollama_status),
)
"""Routes that others than OpenAI have shaped, and all below them."""


def _dialect_at(path: str) -> _Dialect:
    return next((each for each in _OTHERS if f"{path}/".startswith(f"{each.route}/")), _OPENAI)


def error_body_at(path: str, error: RetortError) -> bytes:
    """The JSON of `error` in the dialect that `path` speaks."""
    return _dialect_at(path).body(error)


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
        return Response(b"", status_code=CLIENT_GONE)
    known = _known(request, error)
    dialect = _dialect_at(request.scope["path"])
    return Response(
        dialect.body(known),
        status_code=dialect.status(known),
        headers={**_routing_headers(error), **error_headers(known)},
        media_type="application/json",
    )


def _known(request: HttpRequest, error: Exception) -> RetortError:
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _routing_error(request, error)
    return as_retort_error(error)


def _routing_error(request: HttpRequest, error: HTTPException) -> RetortError:
    shown = f"{request.method} {request.scope['path'][:200]!r}"
    message, code = {
        HTTPStatus.NOT_FOUND: (f"There is no route {shown}.", "unknown_url"),
        HTTPStatus.METHOD_NOT_ALLOWED: (f"{shown} is not allowed.", "method_not_allowed"),
    }.get(HTTPStatus(error.status_code), ("The request is malformed.", "bad_request"))
    return _RoutingError(message, code, error.status_code)


def _routing_headers(error: Exception) -> dict[str, str]:
    return dict(error.headers or {}) if isinstance(error, HTTPException) else {}
