"""Wire structs of tools, as /v1/responses has them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from service.api.openai.tool_schema import FunctionName
from service.api.tools import MAX_TOOLS

_NULL = msgspec.Raw(b"null")


class FunctionTool(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="function"
):
    """`parameters` is a JSON schema, which is enforced; without it the function takes nothing.
    With `strict` false, keywords that cannot be enforced are left out instead of refused, and come
    back as `relaxed_keywords`."""

    name: FunctionName
    parameters: msgspec.Raw = msgspec.field(default_factory=lambda: _NULL)
    strict: bool | None = None
    description: str | None = None


class NamedTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="function"):
    name: FunctionName


class AllowedTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Meta(min_length=1, max_length=MAX_TOOLS)]


Tools: TypeAlias = Annotated[list[FunctionTool], Meta(max_length=MAX_TOOLS)]
ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedTool | AllowedTools
