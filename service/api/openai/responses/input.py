"""From the input of a request to items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from service.api.openai.logprobs import TokenLogprob
from service.api.openai.reply import new_id
from service.api.openai.responses.items import (
    FunctionCallItem,
    FunctionOutputItem,
    InputText,
    Item,
    ItemStatus,
    MessageItem,
    Nothing,
    OutputText,
    ReasoningItem,
    ReasoningText,
    Role,
    SummaryText,
)
from service.api.validation import request_error
from service.errors import RequestError, UnsupportedParameter


class _Typed(msgspec.Struct, frozen=True):
    type: str | None = None


class _OutputTextParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="output_text"):
    """As a response gave it. `parsed` is what OpenAI's clients add and send back: the text again,
    as an object."""

    text: str
    annotations: Nothing | None = None
    logprobs: list[TokenLogprob] | None = None
    parsed: msgspec.Raw = msgspec.Raw(b"null")


class _MessageParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message, be it new or one that a response gave."""

    role: Role
    content: str | list[InputText | _OutputTextParam]
    type: Literal["message"] = "message"
    id: str | None = None
    status: ItemStatus | None = None
    phase: None = None


class _ReasoningParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thoughts that a response gave; nobody can read those that others have encrypted."""

    type: Literal["reasoning"]
    id: str | None = None
    status: ItemStatus | None = None
    summary: list[SummaryText] = []
    content: list[ReasoningText] | None = None
    encrypted_content: None = None


class _CallParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that a response made, as clients send it back."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: ItemStatus | None = None
    parsed_arguments: msgspec.Raw = msgspec.Raw(b"null")


class _OutputParam(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[InputText]
    id: str | None = None
    status: ItemStatus | None = None


_TYPED: Final = msgspec.json.Decoder(_Typed)
_MESSAGE: Final = msgspec.json.Decoder(_MessageParam)
_REASONING: Final = msgspec.json.Decoder(_ReasoningParam)
_CALL: Final = msgspec.json.Decoder(_CallParam)
_OUTPUT: Final = msgspec.json.Decoder(_OutputParam)


def read_input(wire: str | Sequence[msgspec.Raw]) -> list[Item]:
    """The items, each with an id. Raises RequestError, naming the item, for what is none, and
    UnsupportedParameter for items of a type that is not honoured."""
    if isinstance(wire, str):
        return [_message(_MessageParam("user", wire))]
    return [_item(index, bytes(raw)) for index, raw in enumerate(wire)]


def _item(index: int, raw: bytes) -> Item:
    try:
        kind = _TYPED.decode(raw).type or "message"
        read = _READERS.get(kind)
        if read is not None:
            return read(raw)
    except msgspec.DecodeError as error:
        raise _located(error, index, raw) from None
    raise UnsupportedParameter(
        f"Input items of type {kind[:50]!r} are not supported; supported are "
        f"{', '.join(_READERS)}.",
        param=f"input[{index}]",
    )


def _located(error: msgspec.DecodeError, index: int, raw: bytes) -> RequestError:
    """The error as it would be had the whole request been decoded."""
    if not isinstance(error, msgspec.ValidationError):
        return request_error(error, raw)
    reason, _, path = str(error).partition(" - at `$")
    at = f"$.input[{index}]{path.removesuffix('`')}"
    return request_error(msgspec.ValidationError(f"{reason} - at `{at}`"), b"")


def _message(wire: _MessageParam) -> MessageItem:
    return MessageItem(
        id=wire.id or new_id("msg_"),
        status=wire.status or "completed",
        role=wire.role,
        content=_parts(wire),
    )


def _parts(wire: _MessageParam) -> list[InputText | OutputText]:
    if isinstance(wire.content, str):
        part = OutputText if wire.role == "assistant" else InputText
        return [part(wire.content)]
    return [
        part if isinstance(part, InputText) else OutputText(part.text, logprobs=part.logprobs or [])
        for part in wire.content
    ]


def _reasoning(wire: _ReasoningParam) -> ReasoningItem:
    return ReasoningItem(
        id=wire.id or new_id("rs_"),
        status=wire.status or "completed",
        summary=wire.summary,
        content=wire.content or [],
    )


def _call(wire: _CallParam) -> FunctionCallItem:
    return FunctionCallItem(
        id=wire.id or new_id("fc_"),
        call_id=wire.call_id,
        name=wire.name,
        arguments=wire.arguments,
        status=wire.status or "completed",
    )


def _output(wire: _OutputParam) -> FunctionOutputItem:
    return FunctionOutputItem(
        id=wire.id or new_id("fco_"),
        call_id=wire.call_id,
        output=wire.output,
        status=wire.status or "completed",
    )


_READERS: Final[Mapping[str, Callable[[bytes], Item]]] = {
    "message": lambda raw: _message(_MESSAGE.decode(raw)),
    "reasoning": lambda raw: _reasoning(_REASONING.decode(raw)),
    "function_call": lambda raw: _call(_CALL.decode(raw)),
    "function_call_output": lambda raw: _output(_OUTPUT.decode(raw)),
}
