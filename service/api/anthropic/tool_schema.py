"""Wire structs of tools and their calls, as Anthropic's API has them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from service.api.openai.tool_schema import FunctionName
from service.api.tools import MAX_TOOLS


class CacheControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a cached beginning may end: ours is found without being told."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class ToolParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`input_schema` is enforced. With `strict` false, keywords that cannot be enforced are left
    out instead of refused, and come back as `relaxed_keywords`."""

    name: FunctionName
    input_schema: msgspec.Raw
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None


class AutoChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="auto"):
    disable_parallel_tool_use: bool | None = None


class AnyChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="any"):
    disable_parallel_tool_use: bool | None = None


class NamedChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="tool"):
    name: FunctionName
    disable_parallel_tool_use: bool | None = None


class NoChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="none"):
    """Nothing may be called."""


Tools: TypeAlias = Annotated[list[ToolParam], Meta(max_length=MAX_TOOLS)]
ToolChoice: TypeAlias = AutoChoice | AnyChoice | NamedChoice | NoChoice


class ToolUseParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="tool_use"):
    """A call of a past answer, as clients send it back. `input` is an object."""

    id: str
    name: str
    input: msgspec.Raw
    cache_control: CacheControl | None = None


class ToolUseBlock(msgspec.Struct, frozen=True, tag="tool_use"):
    """`input` is an object; in a stream it is empty here, and its JSON follows in pieces."""

    id: str
    name: str
    input: msgspec.Raw
