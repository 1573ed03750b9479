"""What the verbs want of a running service."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import msgspec

from service.cli.arguments import stated_settings
from service.cli.client.asking import Ask, Piece, Stats
from service.cli.client.connection import Address, said
from service.cli.client.request import EmbedRequest, LoadRequest, chat_request, or_unset
from service.cli.errors import CommandError
from service.errors import ModelNotFound
from service.store.manifest import DeviceKind
from service.store.names import ModelName


class Served(msgspec.Struct):
    """A model as a service describes it."""

    id: str
    capabilities: tuple[str, ...] = ("completion",)


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One that a service has loaded, or is about to load or unload; sizes in bytes."""

    name: str
    digest: str
    size: int
    size_vram: int
    context_length: int
    expires_at: datetime


class _LoadedModels(msgspec.Struct):
    models: list[LoadedModel]


class _Health(msgspec.Struct):
    device: DeviceKind


class _Embeddings(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: int


class _Message(msgspec.Struct):
    content: str = ""
    thinking: str = ""


class _Line(msgspec.Struct):
    """Durations in nanoseconds; the last line, which is `done`, has them."""

    message: _Message
    done: bool
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text's vector, and how many tokens of the text were read."""

    vector: list[float]
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Service:
    """One that listens at `address`. Everything raises NoServer, ModelNotFound or CommandError."""

    address: Address

    def describe(self, model: str) -> Served:
        try:
            ModelName.parse(model)
        except ValueError as error:
            # Nor is everything that is no name a path of its own.
            raise ModelNotFound(f"There is no model {model[:80]!r}: {error}.") from None
        body = self.address.fetch("GET", f"/v1/models/{quote(model)}")
        return msgspec.json.decode(body, type=Served)

    def device(self) -> DeviceKind:
        """What its models run on."""
        return msgspec.json.decode(self.address.fetch("GET", "/health"), type=_Health).device

    def loaded(self) -> list[LoadedModel]:
        """Under each of the names that it was asked for by."""
        return msgspec.json.decode(self.address.fetch("GET", "/api/ps"), type=_LoadedModels).models

    def load(self, model: str, keep_alive: str | None) -> None:
        """Has it stay loaded for as long, None for as long as the service wants."""
        ask = LoadRequest(model=model, keep_alive=or_unset(keep_alive))
        self.address.fetch("POST", "/api/generate", ask)

    def unload(self, model: str) -> bool:
        """Whether it was loaded."""
        self.describe(model)
        loaded = {ModelName.parse(each.name) for each in self.loaded()}
        self.load(model, "0")
        return ModelName.parse(model) in loaded

    def embed(self, ask: EmbedRequest) -> Embedded:
        """The vector of a text. Raises Refused for one that the model cannot read as asked."""
        body = self.address.fetch("POST", "/api/embed", ask)
        answered = msgspec.json.decode(body, type=_Embeddings)
        return Embedded(answered.embeddings[0], answered.prompt_eval_count)

    def answer(self, ask: Ask) -> Generator[Piece, None, None]:
        """The answer as it is made; closing the generator ends it."""
        with self.address.answer("POST", "/api/chat", chat_request(ask)) as response:
            for raw in response:
                yield _piece(raw)


def running_service() -> Service:
    """The one that the settings say where it is; whether it is there shows at the first call.

    Raises WrongUsage."""
    return Service(Address.of(stated_settings(), os.environ))


def _piece(raw: bytes) -> Piece:
    if (problem := said(raw)) is not None:
        raise CommandError(problem)
    line = msgspec.json.decode(raw, type=_Line)
    return Piece(line.message.content, line.message.thinking, _stats(line) if line.done else None)


def _stats(line: _Line) -> Stats:
    return Stats(
        total_ns=line.total_duration,
        load_ns=line.load_duration,
        prompt_tokens=line.prompt_eval_count,
        prompt_ns=line.prompt_eval_duration,
        output_tokens=line.eval_count,
        output_ns=line.eval_duration,
    )
