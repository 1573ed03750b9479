"""Schemas with some of the schemas in them changed: the rest of what was decoded stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from service.constraints.json_types import Json

Changes: TypeAlias = Mapping[int, Callable[[dict[str, Json]], None]]
"""By the identity of what is changed: what only looks like a schema, such as part of a constant,
stays."""


def rewritten(value: Json, *changes: Changes) -> Json:
    """A copy, as deep as the guard lets schemas be. What changes a part is given its copy, in which
    all parts of that are changed already."""
    if isinstance(value, list):
        return [rewritten(item, *changes) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: rewritten(item, *changes) for key, item in value.items()}
    for each in changes:
        change = each.get(id(value))
        if change is not None:
            change(copy)
    return copy
