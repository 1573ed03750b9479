"""The parts of an OpenAPI 3.1 document that Retort's has."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Schema: TypeAlias = dict[str, object]
"""JSON Schema, of which msgspec makes dicts."""


class Info(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    version: str
    description: str


class MediaType(msgspec.Struct, frozen=True, kw_only=True):
    """`schema` is that of the whole, or of each event of a stream."""

    schema: Schema


class RequestBody(msgspec.Struct, frozen=True, kw_only=True):
    content: dict[str, MediaType]
    required: bool = True


class ResponseObject(msgspec.Struct, frozen=True, kw_only=True):
    description: str
    content: dict[str, MediaType]


class PathParameter(msgspec.Struct, frozen=True, kw_only=True, tag="path", tag_field="in"):
    name: str
    description: str
    schema: Schema
    required: bool = True


class QueryParameter(msgspec.Struct, frozen=True, kw_only=True, tag="query", tag_field="in"):
    name: str
    schema: Schema
    required: bool = False


Parameter: TypeAlias = PathParameter | QueryParameter


class OperationObject(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"
):
    operation_id: str
    summary: str
    parameters: list[Parameter] = []
    request_body: RequestBody | None = None
    responses: dict[str, ResponseObject]


class SecurityScheme(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: str
    scheme: str | None = None
    name: str | None = None
    place: str | None = msgspec.field(default=None, name="in")


class Components(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    schemas: dict[str, Schema]
    security_schemes: dict[str, SecurityScheme]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    openapi: str = "3.1.0"
    info: Info
    paths: dict[str, dict[str, OperationObject]]
    components: Components
    security: list[dict[str, list[str]]]
