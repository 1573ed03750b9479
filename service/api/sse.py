"""Server-sent events that carry their type: by name before their data, and in it."""

from __future__ import annotations

import msgspec


def named_event(data: msgspec.Struct) -> bytes:
    """The event of a tagged struct, whose tag is its name."""
    name = data.__struct_config__.tag
    assert isinstance(name, str)
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
