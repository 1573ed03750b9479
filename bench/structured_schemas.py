"""Schemas of answers, as those who ask for structured output write them, and what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.constraints.json_types import Json

FRIEND_LIST: Json = {
    "type": "object",
    "properties": {
        "friends": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "age": {"type": "integer"},
                    "is_available": {"type": "boolean"},
                },
                "required": ["name", "age", "is_available"],
            },
        }
    },
    "required": ["friends"],
}
FRIENDS_PROMPT = (
    "I have two friends. The first is Ollama 22 years old busy saving the world, and the second "
    "is Alonso 23 years old and wants to hang out. Return a list of friends in JSON format"
)
ENDLESS: Json = {"type": "array", "items": {"type": "string"}, "minItems": 10_000}
"""Every token of its answers is a choice, and they do not end."""


@dataclass(frozen=True, slots=True)
class Asked:
    prompt: str
    schema: Json


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties]}


_SHORT: Json = {"type": "string", "maxLength": 40}

ASKED: Mapping[str, Asked] = {
    "friends": Asked(FRIENDS_PROMPT, FRIEND_LIST),
    "city": Asked(
        "Describe Paris.",
        _object(name=_SHORT, country=_SHORT, population={"type": "integer", "minimum": 0}),
    ),
    "verdict": Asked("Is water wet?", _object(answer={"enum": ["yes", "no", "unsure"]})),
    "rating": Asked(
        "Rate a good film.",
        _object(title=_SHORT, stars={"type": "integer", "minimum": 1, "maximum": 5}),
    ),
    "event": Asked(
        "Plan a meeting.", _object(day={"type": "string", "format": "date"}, topic=_SHORT)
    ),
    "tags": Asked(
        "Tag a post about cooking.",
        _object(
            tags={"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 4}
        ),
    ),
    "plate": Asked(
        "Make up a number plate.",
        _object(plate={"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}),
    ),
    "either": Asked(
        "Give a number, or null.",
        {"anyOf": [{"type": "null"}, _object(value={"type": "number", "maximum": 100})]},
    ),
    "tree": Asked(
        "Draw a small tree of files.",
        {
            "$defs": {"leaf": _object(name={"type": "string", "maxLength": 12})},
            **_object(  # type: ignore[dict-item]
                left={"$ref": "#/$defs/leaf"}, right={"$ref": "#/$defs/leaf"}
            ),
        },
    ),
    "point": Asked(
        "Give a point.",
        _object(xy={"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
    ),
}
