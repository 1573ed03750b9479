"""Wire structs of tools and their calls."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.tools import MAX_TOOLS

_NULL = msgspec.Raw(b"null")

FunctionName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$(?!\n)")]
"""Python's `$` matches before a last line feed too."""


class FunctionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`parameters` is a JSON schema, which is enforced; without it the function takes nothing.
    With `strict` false, keywords that cannot be enforced are left out instead of refused, and come
    back as `relaxed_keywords`."""

    name: FunctionName
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=lambda: _NULL)
    strict: bool | None = None


class FunctionTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="function"):
    function: FunctionSpec


Tools: TypeAlias = Annotated[list[FunctionTool], Meta(max_length=MAX_TOOLS)]
Functions: TypeAlias = Annotated[list[FunctionSpec], Meta(max_length=MAX_TOOLS)]


class ChosenFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: FunctionName


class NamedTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="function"):
    function: ChosenFunction


class AllowedTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Meta(min_length=1, max_length=MAX_TOOLS)]


class AllowedToolsChoice(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="allowed_tools"
):
    allowed_tools: AllowedTools


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedTool | AllowedToolsChoice
FunctionChoice: TypeAlias = Literal["none", "auto"] | ChosenFunction


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`arguments` is the JSON of an object."""

    name: str
    arguments: str


class MadeCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A call of a past answer, as clients send it back; some with its place among the calls."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None


class ToolCallOut(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class FunctionDelta(msgspec.Struct, frozen=True, kw_only=True):
    name: str | UnsetType = UNSET
    arguments: str


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True):
    """A call's first delta has its id, type and name; the others have arguments alone."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: FunctionDelta
