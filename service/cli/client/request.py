"""What is asked of a model, in the words of `/api/chat` and `/api/embed`."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from service.cli.client.asking import Ask, Think
from service.store.overrides import NO_OVERRIDES, Parameters, Turn

T = TypeVar("T")


class ChatRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    model: str
    messages: list[Turn]
    format: msgspec.Raw | UnsetType = UNSET
    options: Parameters = NO_OVERRIDES.parameters
    think: Think | UnsetType = UNSET
    keep_alive: str | UnsetType = UNSET


class LoadRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Without a prompt. A `keep_alive` of no time unloads the model."""

    model: str
    keep_alive: str | UnsetType = UNSET


class EmbedRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    model: str
    input: str
    truncate: bool
    dimensions: int | UnsetType = UNSET
    keep_alive: str | UnsetType = UNSET


def chat_request(ask: Ask) -> ChatRequest:
    """The answer to it is a stream."""
    form = ask.form if ask.form != "json" else '"json"'
    return ChatRequest(
        model=ask.model,
        messages=[*ask.messages],
        format=UNSET if form is None else msgspec.Raw(form.encode()),
        options=ask.parameters,
        think=or_unset(ask.think),
        keep_alive=or_unset(ask.keep_alive),
    )


def or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
