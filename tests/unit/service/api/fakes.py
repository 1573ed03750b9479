"""The smallest pool, model and generation that the endpoints can be tested with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.dialogue.message import Message
from service.engine.request import FinishReason, SamplingParams
from service.errors import ModelNotFound, RetortError, ShuttingDown
from service.health import Health
from service.settings import Settings
from service.store.manifest import (
    Architecture,
    FileRecord,
    Graphs,
    Manifest,
    Source,
    Tokens,
)
from service.store.names import ModelName
from service.store.packages import Package

CREATED = 1_700_000_000
VOCAB_SIZE = 1000


@dataclass(frozen=True)
class FakeDelta:
    text: str
    finish_reason: FinishReason | None = None


@dataclass
class Script:
    """What generations do: the deltas, where to hold on until `go_on`, what to fail with."""

    texts: Sequence[str] = ("Hel", "lo", "")
    finish_reason: FinishReason = "stop"
    num_cached_tokens: int = 0
    hold_before: int | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    refusal: RetortError | None = None


@dataclass
class FakeGeneration:
    script: Script
    num_prompt_tokens: int
    num_output_tokens: int = 0
    is_aborted: bool = False

    @property
    def num_cached_tokens(self) -> int:
        return self.script.num_cached_tokens

    def abort(self) -> None:
        self.is_aborted = True

    async def __aiter__(self) -> AsyncIterator[FakeDelta]:
        texts = self.script.texts
        for i, text in enumerate(texts):
            if i == self.script.hold_before:
                await self.script.go_on.wait()
            if self.script.error is not None and i == len(texts) - 1:
                raise self.script.error
            self.num_output_tokens += 1
            yield FakeDelta(text, self.script.finish_reason if i == len(texts) - 1 else None)


@dataclass(frozen=True)
class Call:
    """What a request asked the model for."""

    prompt_token_ids: list[int]
    max_tokens: int | None
    sampling: SamplingParams
    stop: tuple[str, ...]
    prompt_param: str = "messages"
    continues_text: bool = False


@dataclass
class FakeModel:
    manifest: Manifest
    script: Script
    system_fingerprint: str = "fp_test"
    messages: list[Message] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    generations: list[FakeGeneration] = field(default_factory=list)

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        self.messages = list(messages)
        return [1] * sum(1 + len(message.content) for message in messages)

    def encode_text(self, text: str) -> list[int]:
        return [ord(character) % VOCAB_SIZE for character in text]

    def generate(
        self,
        prompt_token_ids: list[int],
        *,
        max_tokens: int | None,
        sampling: SamplingParams,
        stop: tuple[str, ...],
        prompt_param: str = "messages",
        continues_text: bool = False,
    ) -> FakeGeneration:
        if self.script.refusal is not None:
            raise self.script.refusal
        self.calls.append(
            Call(prompt_token_ids, max_tokens, sampling, stop, prompt_param, continues_text)
        )
        generation = FakeGeneration(self.script, len(prompt_token_ids))
        self.generations.append(generation)
        return generation


@dataclass
class FakePool:
    """Serves every name in `names` with the one `model`."""

    model: FakeModel
    names: tuple[str, ...] = ("tiny:1b", "hf.co/org/tiny:q4")
    is_draining: bool = False
    is_closed: bool = False

    def installed(self) -> list[Package]:
        return [self.find(name) for name in self.names]

    def find(self, name: str) -> Package:
        if name not in self.names:
            raise ModelNotFound(f"The model {name!r} does not exist here.", param="model")
        parsed = ModelName.parse(name)
        return Package(parsed, Path("models") / parsed.folder, self.model.manifest)

    async def get(self, name: str) -> FakeModel:
        self.find(name)
        if self.is_draining:
            raise ShuttingDown("The server is being stopped.")
        return self.model

    def health(self) -> Health:
        return Health(
            status="draining" if self.is_draining else "ok",
            device="cpu",
            device_reason="a test asked for it",
        )

    def drain(self) -> None:
        self.is_draining = True

    async def close(self) -> None:
        self.is_closed = True


def fake_pool(script: Script) -> FakePool:
    manifest = Manifest(
        name="tiny:1b",
        created=CREATED,
        source=Source(kind="test", location="nowhere"),
        precision="int4",
        context_length=512,
        architecture=Architecture(
            family="llama", num_layers=1, num_kv_heads=1, head_dim=8, vocab_size=VOCAB_SIZE
        ),
        tokens=Tokens(),
        graphs=Graphs(decoder="decoder.onnx"),
        files={"decoder.onnx": FileRecord(size=0, sha256="0" * 64)},
    )
    return FakePool(FakeModel(manifest, script))


def settings(
    host: str = "127.0.0.1",
    *,
    api_keys: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (),
) -> Settings:
    """Those of a start without flags, but for these."""
    return Settings(host=host, api_keys=api_keys, allowed_origins=allowed_origins)
