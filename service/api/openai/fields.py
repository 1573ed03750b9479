"""OpenAI's request fields that Retort does not act on, and the values with which that is right.

A field is either honoured (it stands in the request's struct), or stands here, or is unknown.
With a value listed here it changes nothing, as its documentation says; any other is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from service.errors import UnsupportedParameter

_MAX_NO_OP_BYTES = 256
"""No no-op is longer than this, so that a large value need not be decoded to be refused."""

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Only these values, besides null, are accepted."""

    values: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyValue:
    """The field never changes an answer: it labels requests in OpenAI's own dashboards."""


Accepted: TypeAlias = OneOf | AnyValue

_SHARED: Mapping[str, Accepted] = {
    "logit_bias": OneOf(({},)),
    "n": OneOf((1,)),
    "user": AnyValue(),
}

CHAT: Mapping[str, Accepted] = {
    **_SHARED,
    "audio": OneOf(),
    "function_call": OneOf(("none", "auto")),
    "functions": OneOf(([],)),
    "logprobs": OneOf((False,)),
    "metadata": AnyValue(),
    "modalities": OneOf((["text"],)),
    "moderation": OneOf(),
    "parallel_tool_calls": OneOf((True, False)),
    "prediction": OneOf(),
    "prompt_cache_key": AnyValue(),
    "prompt_cache_options": OneOf(({"mode": "implicit"},)),
    "prompt_cache_retention": OneOf(("in_memory",)),
    "reasoning_effort": OneOf(("none",)),
    "response_format": OneOf(({"type": "text"},)),
    "safety_identifier": AnyValue(),
    "service_tier": OneOf(("auto", "default")),
    "store": OneOf((False,)),
    "tool_choice": OneOf(("none", "auto")),
    "tools": OneOf(([],)),
    "top_logprobs": OneOf((0,)),
    "verbosity": OneOf(("medium",)),
    "web_search_options": OneOf(),
}

COMPLETION: Mapping[str, Accepted] = {
    **_SHARED,
    "best_of": OneOf((1,)),
    "echo": OneOf((False,)),
    "logprobs": OneOf(),
    "suffix": OneOf(("",)),
}


def check_no_op(name: str, raw: bytes, accepted: Accepted) -> None:
    """Raises UnsupportedParameter if the field's JSON asks for something that is not done."""
    if isinstance(accepted, AnyValue) or raw == b"null" or _is_one_of(raw, accepted.values):
        return
    values = ", ".join(msgspec.json.encode(no_op).decode() for no_op in (None, *accepted.values))
    raise UnsupportedParameter(
        f"The parameter {name!r} is not supported; it may be left out or be one of: {values}.",
        param=name,
    )


def _is_one_of(raw: bytes, no_ops: tuple[Json, ...]) -> bool:
    if len(raw) > _MAX_NO_OP_BYTES:
        return False
    try:
        value = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number beyond what floats hold
        return False
    return any(_same(value, no_op) for no_op in no_ops)


def _same(value: Json, no_op: Json) -> bool:
    """Equal, where true is not 1."""
    return value == no_op and isinstance(value, bool) == isinstance(no_op, bool)
