"""What is asked of a model, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from service.store.overrides import NO_OVERRIDES, Parameters, Turn

Level: TypeAlias = Literal["low", "medium", "high", "max"]
Think: TypeAlias = bool | Level


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to go on with. `form` is "json" or the JSON of a schema; `think` None leaves
    it to the model, as `keep_alive` None leaves that to the service."""

    model: str
    messages: Sequence[Turn]
    parameters: Parameters = NO_OVERRIDES.parameters
    form: str | None = None
    think: Think | None = None
    keep_alive: str | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """What an answer took, in nanoseconds and tokens, of which the prompt's include cached ones."""

    total_ns: int
    load_ns: int
    prompt_tokens: int
    prompt_ns: int
    output_tokens: int
    output_ns: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The next part of an answer; the last has `stats`."""

    text: str = ""
    thought: str = ""
    stats: Stats | None = None
