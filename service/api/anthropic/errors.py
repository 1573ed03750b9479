"""Anthropic's error object, for its clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from service.api.error_text import named_message
from service.errors import RetortError

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
"""By status; any other request error is an invalid_request_error, anything else an api_error."""


class AnthropicErrorObject(msgspec.Struct, frozen=True):
    type: str
    message: str


class AnthropicErrorBody(msgspec.Struct, frozen=True, tag="error"):
    """As the body of a response and as the data of a stream's `error` event."""

    error: AnthropicErrorObject


def anthropic_error(error: RetortError) -> AnthropicErrorBody:
    """The message names the parameter; there is no key of its own for it."""
    return AnthropicErrorBody(AnthropicErrorObject(_type_of(error), named_message(error)))


def anthropic_error_body(error: RetortError) -> bytes:
    return msgspec.json.encode(anthropic_error(error))


def _type_of(error: RetortError) -> str:
    other = "invalid_request_error" if error.status < 500 else "api_error"
    return _TYPES.get(error.status, other)
