"""What the endpoints need of the rest of the service, and nothing more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from service.api.encoding import Encoder
from service.constraints.spec import OutputSpec
from service.dialogue.answer import CallDelta
from service.dialogue.message import Message
from service.dialogue.prompt import DEFAULT_OPTIONS, ChatPrompt, TemplateOptions
from service.dialogue.styles.style import Frame
from service.dialogue.tools.format import ToolFormat
from service.engine.constraint import CompiledConstraint
from service.engine.request import FinishReason, Logprobs
from service.health import Health
from service.metrics import ModelMetrics
from service.options import GenerationOptions
from service.store.manifest import Manifest
from service.store.overrides import NO_OVERRIDES, Overrides, Parameters, RequestDefaults
from service.store.packages import AnyPackage

ResultT = TypeVar("ResultT")


class TextLogprobs(Protocol):
    """A token's logprobs and the character of the output at which its text begins."""

    @property
    def logprobs(self) -> Logprobs: ...
    @property
    def offset(self) -> int: ...


class Delta(Protocol):
    """The next piece of an answer: thoughts, then text, either may be "", then pieces of calls.
    Only the last one has a `finish_reason`. `logprobs` are those of the tokens that have come to
    show, if asked for."""

    @property
    def text(self) -> str: ...
    @property
    def reasoning(self) -> str: ...
    @property
    def logprobs(self) -> Sequence[TextLogprobs]: ...
    @property
    def calls(self) -> Sequence[CallDelta]: ...
    @property
    def finish_reason(self) -> FinishReason | None: ...


class Generation(Protocol):
    """One running completion. Iterating may raise RetortError; `abort` may be called at any time.

    `num_cached_tokens` and `prompt_logprobs` (from the prompt's second token on) are final once
    the first delta has come, all else after the last. `stop_reason` is the stop string, or the
    one of the request's own stop tokens, that ended it; `mean_logprob` needs logprobs.
    """

    @property
    def prompt_token_ids(self) -> Sequence[int]: ...
    @property
    def num_prompt_tokens(self) -> int: ...
    @property
    def num_cached_tokens(self) -> int: ...
    @property
    def num_output_tokens(self) -> int: ...
    @property
    def num_reasoning_tokens(self) -> int: ...
    @property
    def stop_reason(self) -> str | int | None: ...
    @property
    def prompt_logprobs(self) -> Sequence[Logprobs]: ...
    @property
    def mean_logprob(self) -> float: ...
    @property
    def prefill_s(self) -> float:
        """Seconds until the first token, waiting included; final once the first delta has come."""
        ...

    @property
    def decode_s(self) -> float:
        """Seconds from then to the last token."""
        ...

    def __aiter__(self) -> AsyncIterator[Delta]: ...
    def abort(self) -> None: ...


class Model(Protocol):
    """A loaded model. All but `generate` may be called from any thread."""

    @property
    def manifest(self) -> Manifest: ...
    @property
    def defaults(self) -> RequestDefaults:
        """What requests get that do not say themselves how to generate."""
        ...

    @property
    def parameters(self) -> Parameters:
        """What of that a Modelfile has set, and all else that it may set."""
        ...

    @property
    def context_length(self) -> int: ...
    @property
    def system_fingerprint(self) -> str: ...
    def encode_chat(
        self, messages: Sequence[Message], options: TemplateOptions = DEFAULT_OPTIONS
    ) -> ChatPrompt: ...
    @property
    def may_reason(self) -> bool:
        """Whether the chat template knows of thoughts before an answer."""
        ...

    @property
    def tool_format(self) -> ToolFormat:
        """How the model writes calls."""
        ...

    @property
    def frame(self) -> Frame | None:
        """What its answers are put together from, if every part of them is marked."""
        ...

    @property
    def control_ids(self) -> Mapping[str, int]:
        """The tokens that are no text, by their spellings."""
        ...

    def knows_variable(self, name: str) -> bool:
        """Whether the chat template asks for a variable of that name."""
        ...

    async def aside(self, work: Callable[[], ResultT]) -> ResultT:
        """The result of `work`, done by a thread that gives way to the engine. Raises
        Overloaded if too much waits for that."""
        ...

    async def compile(self, spec: OutputSpec) -> CompiledConstraint:
        """What outputs can be held to. Raises UnsupportedSchema, Overloaded or PackageCorrupt."""
        ...

    def encode_text(self, text: str) -> list[int]: ...
    def encode_infill(self, prefix: str, suffix: str) -> list[int]:
        """The prompt for the text between two others. Raises RequestError where the model has no
        tokens for it."""
        ...

    def token_bytes(self, token_id: int) -> bytes: ...
    def decode(self, token_ids: Sequence[int], *, at_text_start: bool = False) -> str:
        """The text of tokens; `at_text_start` leaves out a space that the tokenizer put there."""
        ...

    def generate(
        self, prompts: Sequence[Sequence[int]], options: GenerationOptions
    ) -> Sequence[Generation]:
        """Starts all choices of all prompts, those of the first prompt first. Raises
        ContextLengthExceeded, Overloaded, ShuttingDown or RequestError."""
        ...


ModelT_co = TypeVar("ModelT_co", covariant=True)


class Lease(Protocol[ModelT_co]):
    """The right to use `model`, which stays loaded until the lease is released."""

    @property
    def model(self) -> ModelT_co: ...
    def release(self) -> None: ...


class Pool(Protocol):
    """The models that can be served. All that take a name raise ModelNotFound or PackageCorrupt;
    `lease` and `lease_encoder` raise WrongModelKind for a model that is not one of theirs, and
    what loading may raise. A model stays `keep_alive_s` after its last lease, None changes
    nothing."""

    def installed(self) -> list[AnyPackage]: ...
    def find(self, name: str) -> AnyPackage: ...
    async def lease(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> Lease[Model]:
        """With `overrides` it is what a model derived by them would be, for as long as the lease.

        Raises RequestError for what the package cannot be asked for.
        """
        ...

    async def lease_encoder(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> Lease[Encoder]: ...
    async def load(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> None: ...
    async def unload(self, name: str) -> None:
        """Frees what is loaded for the name once nothing uses it; that nothing is, is no error."""
        ...

    def drop_stale_names(self) -> None:
        """After a change of the store: what no name stands for any more is unloaded."""
        ...

    def preload(self) -> None:
        """Begins to load what the settings name. Raises StartupError for what is not there."""
        ...

    def health(self) -> Health: ...
    def metrics(self) -> Sequence[ModelMetrics]:
        """Of the models that are loaded."""
        ...

    def drain(self) -> None:
        """From now on new work is refused with ShuttingDown; what runs goes on."""
        ...

    async def close(self) -> None:
        """Ends what still runs with ShuttingDown and frees everything. May be called twice."""
        ...
