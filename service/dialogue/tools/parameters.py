"""The parameters of a function one by one, for formats that do not write them as one object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from service.dialogue.tools.syntax import Choice, Literal, Optional, Part, sequence
from service.dialogue.tools.tool import Tool

_ANNOTATIONS = {"$comment", "$schema", "default", "deprecated", "description", "examples", "title"}
_SIMPLE = {"$defs", "definitions", "type", "properties", "required", "additionalProperties"}
_NOTHING: Part = Literal("")


@dataclass(frozen=True, slots=True)
class Parameter:
    """`schema` is the JSON of what its values are valid under, definitions included."""

    name: str
    schema: str
    is_required: bool

    @property
    def type(self) -> str | None:
        """The only type that its values have, if its schema says no more of them than that."""
        schema = json.loads(self.schema)
        kind = schema.get("type") if isinstance(schema, dict) else None
        says = set(schema) - _ANNOTATIONS - {"$defs", "definitions"} if kind else set()
        return kind if says == {"type"} and isinstance(kind, str) else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that its values are limited to, () if they are not, or not by that alone."""
        schema = json.loads(self.schema)
        if not isinstance(schema, dict) or set(schema) - _ANNOTATIONS - {"type", "enum"}:
            return ()
        values = schema.get("enum", [])
        if schema.get("type", "string") != "string":
            return ()
        return tuple(values) if all(isinstance(value, str) for value in values) else ()


def parameters_of(tool: Tool) -> tuple[Parameter, ...] | None:
    """Those of a tool whose schema is that of an object with these properties and no others.

    None where it says more of the object, which then can only be written as a whole.
    """
    schema = json.loads(tool.parameters)
    says = set(schema) - _ANNOTATIONS
    closed = schema.get("additionalProperties") is False
    if says - _SIMPLE or not closed or not _are_plain(schema.get("properties", {})):
        return None
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    required = set(schema.get("required", []))
    return tuple(
        Parameter(name, _with(inner, shared), name in required)
        for name, inner in schema.get("properties", {}).items()
    )


def listed(parts: Sequence[tuple[Part, bool]], separator: str) -> Part:
    """The parts in this order with `separator` between them; those with False may be left out."""
    later: Part = _NOTHING
    first: Part = _NOTHING
    for part, is_required in reversed(parts):
        follows = sequence(Literal(separator), part)
        begins = sequence(part, later)
        first = begins if is_required else Choice((begins, first))
        later = sequence(follows if is_required else Optional(follows), later)
    return first


def _are_plain(properties: dict[str, object]) -> bool:
    """Whether their names can stand without quotes."""
    return all(name.isidentifier() and name.isascii() for name in properties)


def _with(schema: object, shared: dict[str, object]) -> str:
    keywords = {**schema, **shared} if isinstance(schema, dict) else schema
    return json.dumps(keywords, separators=(",", ":"))
