"""The parameters of a function one by one, for formats that do not write them as one object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.dialogue.tools.syntax import Choice, Literal, Optional, Part, sequence
from service.dialogue.tools.tool import Tool

_ANNOTATIONS = {"$comment", "$schema", "default", "deprecated", "description", "examples", "title"}
_SIMPLE = {"$defs", "definitions", "type", "properties", "required", "additionalProperties"}
_NOTHING: Part = Literal("")
_DEFINITIONS = ("$defs", "definitions")

MAX_PARAMETERS = 64
"""More than these make a grammar that is too deep to be written."""

_MAX_SHARED_CHARS = 64 << 10
"""Of the definitions, which are repeated for each parameter that refers to one."""


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
        says = set(schema) - _ANNOTATIONS if kind else set()
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

    None where it says more of the object, or where a property's schema has no meaning outside it:
    arguments can then only be written as a whole.
    """
    schema = json.loads(tool.parameters)
    properties, required = schema.get("properties", {}), set(schema.get("required", []))
    closed = schema.get("additionalProperties") is False
    if set(schema) - _ANNOTATIONS - _SIMPLE or not closed or not required <= set(properties):
        return None
    shared = {key: schema[key] for key in ("$schema", *_DEFINITIONS) if key in schema}
    if not _can_stand_alone(properties, shared):
        return None
    return tuple(
        Parameter(name, _with(inner, shared), name in required)
        for name, inner in properties.items()
    )


def listed(parts: Sequence[tuple[Part, bool]], separator: str) -> Part:
    """The parts in this order with `separator` between them; those with False may be left out."""
    later: Part = _NOTHING
    first: Part = _NOTHING
    for part, is_required in reversed(parts):
        follows = sequence(Literal(separator), part)
        begins = sequence(part, later)
        first = begins if is_required else Choice((begins, first))
        # As a choice it is a rule, of which all that it may follow have the name alone.
        later = Choice((sequence(follows if is_required else Optional(follows), later),))
    return first


def _can_stand_alone(properties: Mapping[str, object], shared: Mapping[str, object]) -> bool:
    """Whether their names need no quotes, and their schemas refer to what is `shared` only."""
    if len(properties) > MAX_PARAMETERS or not all(
        name.isidentifier() and name.isascii() for name in properties
    ):
        return False
    if not all(isinstance(inner, dict) for inner in properties.values()):
        return False
    references = [*_references([*properties.values(), shared])]
    pointers = tuple(f"#/{name}/" for name in _DEFINITIONS)
    return not references or (
        all(reference.startswith(pointers) for reference in references)
        and len(json.dumps(shared)) * len(properties) <= _MAX_SHARED_CHARS
    )


def _references(value: object) -> Iterator[str]:
    """Of all schemas in it, and of what may only look like one."""
    pending = [value]
    while pending:
        match pending.pop():
            case list() as items:
                pending += items
            case dict() as members:
                pending += members.values()
                if isinstance(reference := members.get("$ref"), str):
                    yield reference


def _with(schema: Mapping[str, object], shared: Mapping[str, object]) -> str:
    """The schema with what it may refer to; without a reference that would only be in the way."""
    has_reference = any(_references(schema))
    kept = {key: value for key, value in shared.items() if has_reference or key == "$schema"}
    return json.dumps({**schema, **kept}, separators=(",", ":"))
