"""What the endpoints need of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.store.manifest import EncoderManifest


class Encoded(Protocol):
    """Vectors float32 `[N, D]`, or scores `[N]`, and how many tokens were read for them."""

    @property
    def values(self) -> NDArray[np.float32]: ...
    @property
    def num_tokens(self) -> int: ...


class Encoder(Protocol):
    """A loaded encoder. Cancelling what runs takes it out of the queue.

    Raises WrongModelKind, RequestError, Overloaded, ShuttingDown or EngineFailure.
    """

    @property
    def manifest(self) -> EncoderManifest: ...
    @property
    def context_length(self) -> int: ...

    def encode_text(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The tokens of a text. From any thread, as the next two."""
        ...

    def decode(self, token_ids: Sequence[int]) -> str: ...
    def token(self, token_id: int) -> str: ...

    async def embed(
        self,
        inputs: Sequence[str] | Sequence[list[int]],
        *,
        dimensions: int | None = None,
        any_dimensions: bool = False,
        prompt_name: str | None = None,
        truncate: bool = False,
    ) -> Encoded:
        """The vectors of texts, or of token ids as they are."""
        ...

    async def rank(
        self, query: str, documents: Sequence[str], *, truncate: bool = False
    ) -> Encoded:
        """How well each document answers the query, from 0 to 1."""
        ...
