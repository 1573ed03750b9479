"""Errors as Ollama shapes them, for its clients."""

from __future__ import annotations

import msgspec

from service.api.error_text import named_message
from service.errors import Overloaded, RetortError


class OllamaErrorBody(msgspec.Struct, frozen=True):
    """As the body of a response and as a line of a stream."""

    error: str


def ollama_error(error: RetortError) -> OllamaErrorBody:
    """The text names the parameter; there is no key of its own for it."""
    return OllamaErrorBody(named_message(error))


def ollama_error_body(error: RetortError) -> bytes:
    return msgspec.json.encode(ollama_error(error))


def ollama_status(error: RetortError | type[RetortError]) -> int:
    """Of an error or of all such. A full queue is 503, as Ollama has it."""
    return 503 if error is Overloaded or isinstance(error, Overloaded) else error.status
