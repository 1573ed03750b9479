"""Wire structs of what an answer must look like."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

_MAX_CHOICES = 1024
_NULL = msgspec.Raw(b"null")
_ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')

FormatName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Text: TypeAlias = Annotated[str, Meta(min_length=1)]


class TextFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    """Any text."""


class JsonObjectFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="json_object"):
    """Any JSON object."""


class NamedSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Enforced whether `strict` or not; not strict, a `oneOf` whose alternatives may overlap is
    taken for an `anyOf` instead of being refused."""

    name: FormatName
    schema: msgspec.Raw = msgspec.field(default_factory=lambda: _ANY_OBJECT)
    strict: bool | None = None
    description: str | None = None


class JsonSchemaFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="json_schema"):
    """JSON that a schema describes."""

    json_schema: NamedSchema


ResponseFormat: TypeAlias = TextFormat | JsonObjectFormat | JsonSchemaFormat


class StructuredOutputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """vLLM's extension: exactly one of the first five, or none beside another field that asks for
    JSON. `json` is a schema, or one as a string.

    The others are of JSON. Unless they are false, `disable_any_whitespace` has it on one line, and
    `disable_additional_properties` closes objects that name properties and say nothing of others.
    `lenient` leaves out keywords that cannot be enforced instead of refusing the request: those
    that were come back as `relaxed_keywords`.
    """

    json: msgspec.Raw = msgspec.field(default_factory=lambda: _NULL)
    json_object: bool | None = None
    regex: Text | None = None
    choice: Annotated[list[Text], Meta(min_length=1, max_length=_MAX_CHOICES)] | None = None
    grammar: Text | None = None
    disable_any_whitespace: bool | None = None
    disable_additional_properties: bool | None = None
    whitespace_pattern: Text | None = None
    lenient: bool | None = None
