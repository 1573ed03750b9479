"""One turn of a conversation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """`role` is "system", "user", "assistant" or whatever else the model's template knows."""

    role: str
    content: str
    name: str | None = None
