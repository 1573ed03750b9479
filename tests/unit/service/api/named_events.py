"""Streams of events that have names."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from tests.unit.service.api.asgi import Reply

NamedEvent: TypeAlias = tuple[str, Any]


def named_events(reply: Reply) -> list[NamedEvent]:
    """Name and data of all events; comments are no events."""
    found = []
    for block in reply.body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found
