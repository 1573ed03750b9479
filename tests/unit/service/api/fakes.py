"""The smallest pool, model and generation that the endpoints can be tested with."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from service.api.encoding import Encoder
from service.api.facade import Lease
from service.constraints.spec import OutputSpec
from service.dialogue.answer import CallDelta
from service.dialogue.message import Message
from service.dialogue.prompt import DEFAULT_OPTIONS, ChatPrompt, TemplateOptions
from service.dialogue.styles.style import Frame
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.hermes import HERMES
from service.engine.constraint import Constraint
from service.engine.request import FinishReason, Logprobs, SamplingParams
from service.errors import (
    ModelNotFound,
    RequestError,
    RetortError,
    ShuttingDown,
    UnsupportedSchema,
    WrongModelKind,
)
from service.health import Health
from service.metrics import ModelMetrics
from service.options import GenerationOptions
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
from service.store.overrides import (
    NO_OVERRIDES,
    Overrides,
    Parameters,
    RequestDefaults,
    request_defaults,
)
from service.store.packages import AnyPackage, Package

ResultT = TypeVar("ResultT")

CREATED = 1_700_000_000
VOCAB_SIZE = 1000


@dataclass(frozen=True)
class FakeTextLogprobs:
    logprobs: Logprobs
    offset: int


@dataclass(frozen=True)
class FakeDelta:
    text: str
    finish_reason: FinishReason | None = None
    reasoning: str = ""
    logprobs: Sequence[FakeTextLogprobs] = ()
    calls: Sequence[CallDelta] = ()


@dataclass
class Script:
    """What generations do: the deltas, where to hold on until `go_on`, what to fail with.

    With logprobs each text is the token of its place in the script; its alternative is 7.
    """

    thoughts: Sequence[str] = ()
    calls: Sequence[CallDelta] = ()
    texts: Sequence[str] = ("Hel", "lo", "")
    finish_reason: FinishReason = "stop"
    stop_reason: str | int | None = None
    num_cached_tokens: int = 0
    hold_before: int | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    refusal: RetortError | None = None


@dataclass
class FakeGeneration:
    script: Script
    prompt_token_ids: Sequence[int]
    options: GenerationOptions
    mean_logprob: float = 0.0
    prefill_s: float = 0.5
    decode_s: float = 0.25
    num_output_tokens: int = 0
    num_reasoning_tokens: int = 0
    is_aborted: bool = False

    @property
    def num_prompt_tokens(self) -> int:
        return len(self.prompt_token_ids)

    @property
    def stop_reason(self) -> str | int | None:
        return self.script.stop_reason

    @property
    def prompt_logprobs(self) -> Sequence[Logprobs]:
        return [self._logprobs(token_id) for token_id in self.prompt_token_ids[1:]]

    @property
    def num_cached_tokens(self) -> int:
        return self.script.num_cached_tokens

    def abort(self) -> None:
        self.is_aborted = True

    async def __aiter__(self) -> AsyncIterator[FakeDelta]:
        for thought in self.script.thoughts:
            self.num_output_tokens += 1
            self.num_reasoning_tokens += 1
            yield FakeDelta("", reasoning=thought)
        texts, offset = self.script.texts, 0
        for i, text in enumerate(texts):
            if i == self.script.hold_before:
                await self.script.go_on.wait()
            if self.script.error is not None and i == len(texts) - 1:
                raise self.script.error
            self.num_output_tokens += 1
            logprobs = [FakeTextLogprobs(self._logprobs(i), offset)] if text else []
            offset += len(text)
            yield FakeDelta(
                text,
                self.script.finish_reason if i == len(texts) - 1 else None,
                logprobs=[] if self.options.num_logprobs is None else logprobs,
                calls=self.script.calls if i == len(texts) - 1 else (),
            )

    def _logprobs(self, token_id: int) -> Logprobs:
        num_top = self.options.num_logprobs or 0
        return Logprobs(token_id, -0.5, ((token_id, -0.5), (7, -2.0))[:num_top])


@dataclass(frozen=True)
class Call:
    """What a request asked the model for."""

    prompts: list[list[int]]
    options: GenerationOptions

    @property
    def prompt_token_ids(self) -> list[int]:
        (prompt,) = self.prompts
        return prompt

    @property
    def sampling(self) -> SamplingParams:
        return self.options.sampling


class FakeConstraint:
    """Nothing is ever held to it: these generations follow their script."""

    def begin(self) -> Constraint:
        raise AssertionError("no engine runs here")


@dataclass
class FakeModel:
    manifest: Manifest
    script: Script
    system_fingerprint: str = "fp_test"
    parameters: Parameters = field(default_factory=Parameters)
    context_length: int = 512
    template_variables: frozenset[str] = frozenset()
    may_reason: bool = False
    infill: bool = False
    tool_format: ToolFormat = HERMES
    frame: Frame | None = None
    control_ids: Mapping[str, int] = field(default_factory=dict)
    mean_logprobs: Sequence[float] = (0.0,)
    compiled: list[OutputSpec] = field(default_factory=list)
    compile_refusal: RetortError | None = None
    uncompilable: str | None = None
    """What is refused if it is in a spec's source."""
    messages: list[Message] = field(default_factory=list)
    template_options: TemplateOptions = DEFAULT_OPTIONS
    calls: list[Call] = field(default_factory=list)
    generations: list[FakeGeneration] = field(default_factory=list)

    @property
    def defaults(self) -> RequestDefaults:
        return request_defaults(self.manifest.generation, self.parameters)

    def encode_chat(
        self, messages: Sequence[Message], options: TemplateOptions = DEFAULT_OPTIONS
    ) -> ChatPrompt:
        self.messages = list(messages)
        self.template_options = options
        length = sum(1 + len(message.content) for message in messages)
        return ChatPrompt([1] * length, may_reason=self.may_reason)

    def knows_variable(self, name: str) -> bool:
        return name in self.template_variables

    async def aside(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.to_thread(work)

    async def compile(self, spec: OutputSpec) -> FakeConstraint:
        if self.compile_refusal is not None:
            raise self.compile_refusal
        if self.uncompilable is not None and self.uncompilable in spec.source:
            raise UnsupportedSchema("No.", param=spec.param)
        self.compiled.append(spec)
        return FakeConstraint()

    def encode_text(self, text: str) -> list[int]:
        return [ord(character) % VOCAB_SIZE for character in text]

    def encode_infill(self, prefix: str, suffix: str) -> list[int]:
        if not self.infill:
            raise RequestError("The model cannot fill in text.", param="suffix")
        return [*self.encode_text(prefix), 0, *self.encode_text(suffix)]

    def token_bytes(self, token_id: int) -> bytes:
        """The script's text at that place, else the character of that number."""
        texts = self.script.texts
        if token_id < len(texts):
            return texts[token_id].encode()
        return b"\xf0\x9f" if token_id == 240 else chr(token_id).encode()

    def decode(self, token_ids: Sequence[int], *, at_text_start: bool = False) -> str:
        return b"".join(map(self.token_bytes, token_ids)).decode(errors="replace")

    def generate(
        self, prompts: Sequence[Sequence[int]], options: GenerationOptions
    ) -> list[FakeGeneration]:
        if self.script.refusal is not None:
            raise self.script.refusal
        self.calls.append(Call([[*prompt] for prompt in prompts], options))
        means = itertools.cycle(self.mean_logprobs)
        generations = [
            FakeGeneration(self.script, prompt, options, next(means))
            for prompt in prompts
            for _ in range(options.num_choices)
        ]
        self.generations += generations
        return generations


@dataclass
class FakeLease:
    model: FakeModel
    keep_alive_s: float | None
    overrides: Overrides = NO_OVERRIDES
    is_released: bool = False

    def release(self) -> None:
        self.is_released = True


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakePool:
    """Serves every name in `names` with the one `model`, once it `is_loaded`."""

    model: FakeModel
    names: tuple[str, ...] = ("tiny:1b", "hf.co/org/tiny:q4")
    leases: list[FakeLease] = field(default_factory=list)
    is_loaded: asyncio.Event = field(default_factory=_set)
    load_failure: RetortError | None = None
    unloaded: list[str] = field(default_factory=list)
    is_draining: bool = False
    is_closed: bool = False

    def installed(self) -> list[AnyPackage]:
        return [self.find(name) for name in self.names]

    def find(self, name: str) -> Package:
        if name not in self.names:
            raise ModelNotFound(f"The model {name!r} does not exist here.", param="model")
        parsed = ModelName.parse(name)
        return Package(parsed, Path("models") / parsed.folder, self.model.manifest)

    async def lease(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> FakeLease:
        self.find(name)
        if self.is_draining:
            raise ShuttingDown("The server is being stopped.")
        await self.is_loaded.wait()
        if self.load_failure is not None:
            raise self.load_failure
        lease = FakeLease(self.model, keep_alive_s, overrides)
        self.leases.append(lease)
        return lease

    async def lease_encoder(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> Lease[Encoder]:
        self.find(name)
        raise WrongModelKind(f"The model {name} generates text: it neither embeds nor ranks.")

    async def load(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> None:
        (await self.lease(name, keep_alive_s, overrides)).release()

    async def unload(self, name: str) -> None:
        self.find(name)
        self.unloaded.append(name)

    def drop_stale_names(self) -> None:
        pass

    def preload(self) -> None:
        pass

    def health(self) -> Health:
        return Health(
            status="draining" if self.is_draining else "ok",
            device="cpu",
            device_reason="a test asked for it",
        )

    def metrics(self) -> list[ModelMetrics]:
        return [ModelMetrics(str(name), 1, 2) for name in self.names]

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
