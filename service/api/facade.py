"""What the endpoints need of the rest of the service, and nothing more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from service.dialogue.message import Message
from service.engine.request import FinishReason, SamplingParams
from service.health import Health
from service.store.manifest import Manifest
from service.store.packages import Package


class Delta(Protocol):
    """The next piece of an answer. Only the last one has a `finish_reason`; its text may be ""."""

    @property
    def text(self) -> str: ...
    @property
    def finish_reason(self) -> FinishReason | None: ...


class Generation(Protocol):
    """One running completion. Iterating may raise RetortError; `abort` may be called at any time.

    `num_cached_tokens` is final once the first delta has come, `num_output_tokens` after the last.
    """

    @property
    def num_prompt_tokens(self) -> int: ...
    @property
    def num_cached_tokens(self) -> int: ...
    @property
    def num_output_tokens(self) -> int: ...
    def __aiter__(self) -> AsyncIterator[Delta]: ...
    def abort(self) -> None: ...


class Model(Protocol):
    """A loaded model. The encoders may be called from any thread."""

    @property
    def manifest(self) -> Manifest: ...
    @property
    def system_fingerprint(self) -> str: ...
    def encode_chat(self, messages: Sequence[Message]) -> list[int]: ...
    def encode_text(self, text: str) -> list[int]: ...
    def generate(
        self,
        prompt_token_ids: list[int],
        *,
        max_tokens: int | None,
        sampling: SamplingParams,
        stop: tuple[str, ...],
        prompt_param: str = "messages",
        continues_text: bool = False,
    ) -> Generation:
        """`continues_text`: the answer goes on where the prompt ends, so that a space which it
        begins with belongs to it. Errors name `prompt_param`. Raises ContextLengthExceeded,
        Overloaded, ShuttingDown or RequestError."""
        ...


class Pool(Protocol):
    """The models that can be served. `find` and `get` raise ModelNotFound or PackageCorrupt."""

    def installed(self) -> list[Package]: ...
    def find(self, name: str) -> Package: ...
    async def get(self, name: str) -> Model: ...
    def health(self) -> Health: ...

    def drain(self) -> None:
        """From now on new work is refused with ShuttingDown; what runs goes on."""
        ...

    async def close(self) -> None:
        """Ends what still runs with ShuttingDown and frees everything. May be called twice."""
        ...
