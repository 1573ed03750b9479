"""What the OpenAPI document is made from: one row for each route and method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec

from service.api.error_mapping import ErrorBody
from service.api.openai.fields import Treatment
from service.errors import RetortError

Method: TypeAlias = Literal["get", "post", "delete"]
Errors: TypeAlias = tuple[type[RetortError], ...]


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body: the struct of what is honoured, and what is done with all fields."""

    struct: type
    fields: Mapping[str, Treatment] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """A query string, told as a body is."""

    struct: type[msgspec.Struct]
    fields: Mapping[str, Treatment]


def _usual_status(error: type[RetortError]) -> int:
    return error.status


@dataclass(frozen=True, slots=True)
class Operation:
    """`response` is the JSON of a 200, str for plain text, or None for nothing; `event` is that of
    a stream's events, or of its lines where `event_type` says so.

    With `ends_with_done` the last of them is `[DONE]`. `error` is the JSON of an error, of which
    each dialect has its own, as it has its statuses; `unavailable` is what a 503 says where that is
    none.
    """

    method: Method
    path: str
    summary: str
    response: type | None
    errors: Errors
    body: Body | None = None
    query: Query | None = None
    event: type | None = None
    event_type: str = "text/event-stream"
    ends_with_done: bool = True
    error: type = ErrorBody
    status_of: Callable[[type[RetortError]], int] = _usual_status
    unavailable: type | None = None
