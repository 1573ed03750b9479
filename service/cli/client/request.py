"""What is asked of a model, in the words of `/v1/chat/completions`."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from service.cli.client.asking import Ask, Think
from service.cli.errors import CommandError
from service.store.overrides import UNLIMITED, Turn

T = TypeVar("T")

_NO_SUCH_FIELD = ("num_ctx", "repeat_last_n")


class _StreamOptions(msgspec.Struct):
    include_usage: bool = True


class _Json(msgspec.Struct, tag="json_object"):
    pass


class _NamedSchema(msgspec.Struct):
    schema: msgspec.Raw
    name: str = "answer"


class _Schema(msgspec.Struct, tag="json_schema"):
    json_schema: _NamedSchema


class ChatRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    model: str
    messages: list[Turn]
    stream: bool = False
    stream_options: _StreamOptions | UnsetType = UNSET
    keep_alive: str | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    repetition_penalty: float | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    stop: tuple[str, ...] | UnsetType = UNSET
    response_format: _Json | _Schema | UnsetType = UNSET
    reasoning_effort: str | UnsetType = UNSET


class EmbedRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    model: str
    input: str
    dimensions: int | UnsetType = UNSET
    truncate: bool | UnsetType = UNSET
    keep_alive: str | UnsetType = UNSET


def chat_request(ask: Ask) -> ChatRequest:
    """Raises CommandError for a parameter that a request cannot bring."""
    given = ask.parameters
    for name in _NO_SUCH_FIELD:
        if getattr(given, name) is not None:
            raise CommandError(f"{name} is a model's own: put it in a Modelfile (retort create)")
    limit = None if given.num_predict in UNLIMITED else given.num_predict
    seed = None if given.seed is None or given.seed < 0 else given.seed
    return ChatRequest(
        model=ask.model,
        messages=[*ask.messages],
        stream=True,
        stream_options=_StreamOptions(),
        keep_alive=or_unset(ask.keep_alive),
        temperature=or_unset(given.temperature),
        top_p=or_unset(given.top_p),
        top_k=or_unset(given.top_k),
        min_p=or_unset(given.min_p),
        seed=or_unset(seed),
        presence_penalty=or_unset(given.presence_penalty),
        frequency_penalty=or_unset(given.frequency_penalty),
        repetition_penalty=or_unset(given.repeat_penalty),
        max_tokens=or_unset(limit),
        stop=or_unset(given.stop),
        response_format=_form(ask.form),
        reasoning_effort=_effort(ask.think),
    )


def or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _form(form: str | None) -> _Json | _Schema | UnsetType:
    if form is None:
        return UNSET
    return _Json() if form == "json" else _Schema(_NamedSchema(msgspec.Raw(form.encode())))


def _effort(think: Think | None) -> str | UnsetType:
    if think is None:
        return UNSET
    if isinstance(think, str):
        return "xhigh" if think == "max" else think
    return "medium" if think else "none"
