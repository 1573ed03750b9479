"""Streams as Ollama has them: JSON, one object a line."""

from __future__ import annotations

from typing import Final

import msgspec

from service.api.ollama.errors import ollama_error
from service.api.patience import StreamDialect
from service.errors import RetortError

MEDIA_TYPE: Final = "application/x-ndjson"

PING: Final = b" "
"""Before the next line: every client reads lines, and JSON may begin with spaces."""


def line(content: msgspec.Struct) -> bytes:
    return msgspec.json.encode(content) + b"\n"


def failure_line(error: RetortError) -> bytes:
    """How a stream ends that was broken off."""
    return line(ollama_error(error))


LINES: Final = StreamDialect(PING, failure_line, MEDIA_TYPE)
"""How a stream waits for its model."""
