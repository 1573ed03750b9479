"""Schemas with some of the schemas in them changed: the rest of what was decoded stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from service.constraints.json_types import Json

Change: TypeAlias = Callable[[dict[str, Json]], None]


def rewritten(value: Json, changes: Mapping[int, Change]) -> Json:
    """A copy of a schema that the guard has let pass. `changes` are made in the copies of those
    parts of it whose identities are the keys, from the inside out.

    By identity, for what only looks like a schema, such as part of a constant, stays.
    """
    if isinstance(value, list):
        return [rewritten(item, changes) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: rewritten(item, changes) for key, item in value.items()}
    change = changes.get(id(value))
    if change is not None:
        change(copy)
    return copy
