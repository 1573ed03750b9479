"""What the verbs want of a running service."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPResponse
from time import perf_counter_ns
from typing import Literal
from urllib.parse import quote

import msgspec

from service.cli.arguments import stated_settings
from service.cli.client.asking import Ask, Piece, Stats
from service.cli.client.connection import Address, said
from service.cli.client.request import ChatRequest, EmbedRequest, chat_request
from service.cli.errors import CommandError
from service.store.manifest import DeviceKind
from service.store.names import ModelName
from service.store.overrides import Turn

_DATA = b"data: "
_DONE = b"[DONE]"


class Served(msgspec.Struct):
    """A model as a service describes it."""

    id: str
    capabilities: tuple[str, ...] = ("completion",)


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One that a service has loaded, or is about to load or unload; sizes in bytes."""

    name: str
    names: tuple[str, ...] = ()
    digest: str = ""
    status: Literal["loading", "ready", "unloading"] = "ready"
    context_length: int
    size: int = 0
    size_vram: int = 0
    expires_at: datetime | None = None


class Health(msgspec.Struct):
    device: DeviceKind
    models: tuple[LoadedModel, ...] = ()


class _Embedding(msgspec.Struct):
    embedding: list[float]


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Chunk(msgspec.Struct):
    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One that listens at `address`. Everything raises NoServer, ModelNotFound or CommandError."""

    address: Address

    def describe(self, model: str) -> Served:
        body = self.address.fetch("GET", f"/v1/models/{quote(model)}")
        return msgspec.json.decode(body, type=Served)

    def health(self) -> Health:
        return msgspec.json.decode(self.address.fetch("GET", "/health"), type=Health)

    def loaded(self) -> list[LoadedModel]:
        """Under each of the names that it was asked for by."""
        return [
            msgspec.structs.replace(model, name=name, names=())
            for model in self.health().models
            for name in model.names or (model.name,)
        ]

    def unload(self, model: str) -> bool:
        """Whether it was loaded."""
        wanted = self.describe(model)
        name = ModelName.parse(model)
        if name not in {ModelName.parse(each.name) for each in self.loaded()}:
            return False
        if "completion" in wanted.capabilities:
            turn = [Turn("user", ".")]
            body: object = ChatRequest(model=model, messages=turn, max_tokens=1, keep_alive="0")
            self.address.fetch("POST", "/v1/chat/completions", body)
        else:
            self.embed(EmbedRequest(model=model, input=".", keep_alive="0"))
        return True

    def embed(self, ask: EmbedRequest) -> list[float]:
        """The vector of a text."""
        body = self.address.fetch("POST", "/v1/embeddings", ask)
        return msgspec.json.decode(body, type=_Embeddings).data[0].embedding

    def answer(self, ask: Ask) -> Generator[Piece, None, None]:
        """The answer as it is made; closing the iterator ends it."""
        clock = _Clock()
        usage = _Usage(0, 0)
        with self.address.answer("POST", "/v1/chat/completions", chat_request(ask)) as response:
            for chunk in _chunks(response):
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    piece = Piece(choice.delta.content or "", choice.delta.reasoning or "")
                    if piece.text or piece.thought:
                        clock.heard()
                        yield piece
        yield Piece(stats=clock.stats(usage))


def running_service() -> Service:
    """The one that the settings say where it is; whether it is there shows at the first call.

    Raises WrongUsage."""
    return Service(Address.of(stated_settings(), os.environ))


class _Clock:
    """What the durations of an answer are, as far as who waits for it can tell."""

    def __init__(self) -> None:
        self._begun_ns = perf_counter_ns()
        self._first_ns: int | None = None

    def heard(self) -> None:
        self._first_ns = self._first_ns or perf_counter_ns()

    def stats(self, usage: _Usage) -> Stats:
        now_ns = perf_counter_ns()
        first_ns = self._first_ns or now_ns
        return Stats(
            total_ns=now_ns - self._begun_ns,
            load_ns=0,
            prompt_tokens=usage.prompt_tokens,
            prompt_ns=first_ns - self._begun_ns,
            output_tokens=usage.completion_tokens,
            output_ns=now_ns - first_ns,
        )


def _chunks(response: HTTPResponse) -> Iterator[_Chunk]:
    for line in response:
        data = line.strip().removeprefix(_DATA)
        if not line.startswith(_DATA) or data == _DONE:
            continue
        if (problem := said(data)) is not None:
            raise CommandError(problem)
        yield msgspec.json.decode(data, type=_Chunk)
