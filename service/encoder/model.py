"""A loaded encoder: from texts to vectors, from pairs of texts to scores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from service.encoder.async_encoder import AsyncEncoder
from service.encoder.batching import CPU_LIMITS, DEVICE_LIMITS
from service.encoder.pooling import Floats, normalized, sigmoid
from service.encoder.runner import EncoderRunner
from service.encoder.tokens import SequenceTokenizer, Tokens
from service.errors import (
    InputTooLong,
    PackageCorrupt,
    RequestError,
    UnsupportedParameter,
    WrongDevice,
    WrongModelKind,
)
from service.runtime.providers import Provider
from service.settings import Settings
from service.store.integrity import checked_package
from service.store.manifest import TOKENIZER_NAME, Embedding, EncoderManifest
from service.store.packages import EncoderPackage

ResultT = TypeVar("ResultT")

_MAX_CHARACTERS_ON_LOOP = 512
"""Some tenths of a millisecond of tokenizing: less than handing it to a thread and back."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors `[N, D]`, or the scores of pairs `[N]`, and how many tokens were read for them."""

    values: Floats
    num_tokens: int


class LoadedEncoder:
    """A package in memory, ready to embed or to rank."""

    def __init__(
        self,
        package: EncoderPackage,
        provider: Provider,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Loads everything, for which it takes its time: not to be called on the event loop.

        Raises PackageCorrupt if a file is not what the manifest says, and WrongDevice if the
        package was made for another device.
        """
        self.manifest: EncoderManifest = package.manifest
        self.context_length = settings.served_context_length(
            self.manifest.context_length, package.overrides.parameters.num_ctx
        )
        _check_device(package, provider)
        with checked_package(package):
            self._tokenizer = _read_tokenizer(package)
            runner = EncoderRunner(package.folder, self.manifest, provider)
        self.engine = AsyncEncoder(
            runner,
            CPU_LIMITS if provider.host_memory else DEVICE_LIMITS,
            loop,
            max_requests=settings.slots + settings.max_queue,
        )
        self.num_tokens_read = 0

    async def close(self) -> None:
        """Ends what runs with ShuttingDown, and the thread, and frees the session."""
        await self.engine.close()

    def encode_text(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The tokens of a text as it is, without a prompt that embedding would put before it."""
        if not add_special_tokens:
            return self._tokenizer.encode_bare(text)
        (tokens,) = self._tokenizer.encode([text])
        return tokens.token_ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of tokens; how they were spaced is for some vocabularies a guess."""
        return self._tokenizer.decode(token_ids)

    def token(self, token_id: int) -> str:
        """A token as the vocabulary spells it."""
        return self._tokenizer.token(token_id)

    async def embed(
        self,
        inputs: Sequence[str] | Sequence[list[int]],
        *,
        dimensions: int | None = None,
        any_dimensions: bool = False,
        prompt_name: str | None = None,
        truncate: bool = False,
    ) -> Encoded:
        """A vector for each input; token ids are read as they are, texts with special tokens.

        `dimensions` cuts vectors and normalises what is left, which a model must declare to
        support unless `any_dimensions`. `prompt_name` is one of the model's own, put before each
        text. `truncate` reads the beginning of what is too long. Errors name the fields of
        /v1/embeddings. Raises WrongModelKind, InputTooLong, RequestError, UnsupportedParameter,
        Overloaded, ShuttingDown or EngineFailure.
        """
        embedding = self._embedding()
        _check_dimensions(embedding, dimensions, any_dimensions)
        prefix = _prompt(embedding, prompt_name)
        with self.engine.admitted():
            sequences = await _maybe_in_thread(
                _num_characters(inputs), lambda: self._sequences(inputs, prefix, truncate)
            )
            vectors = await self.engine.encode(sequences)
        if dimensions is not None and dimensions < embedding.dimensions:
            vectors = normalized(vectors[:, :dimensions])
        return self._encoded(vectors, sequences)

    async def rank(
        self, query: str, documents: Sequence[str], *, truncate: bool = False
    ) -> Encoded:
        """How well each document answers the query, from 0 to 1.

        Raises as `embed` does, naming the fields of /v1/rerank.
        """
        if self.manifest.embedding is not None:
            raise WrongModelKind(f"The model {self.manifest.name} embeds texts: it ranks nothing.")
        with self.engine.admitted():
            pairs = await _maybe_in_thread(
                len(query) * len(documents) + _num_characters(documents),
                lambda: self._pairs(query, documents, truncate),
            )
            logits = await self.engine.encode(pairs)
        return self._encoded(sigmoid(logits[:, 0]), pairs)

    def _encoded(self, values: Floats, sequences: Sequence[Tokens]) -> Encoded:
        num_tokens = sum(map(len, sequences))
        self.num_tokens_read += num_tokens
        return Encoded(values, num_tokens)

    def _embedding(self) -> Embedding:
        if self.manifest.embedding is None:
            raise WrongModelKind(
                f"The model {self.manifest.name} is a reranker: it makes no embeddings."
            )
        return self.manifest.embedding

    def _sequences(
        self, inputs: Sequence[str] | Sequence[list[int]], prefix: str, truncate: bool
    ) -> list[Tokens]:
        texts = [prefix + item for item in inputs if isinstance(item, str)]
        if texts:
            sequences = self._tokenizer.encode(texts)
        else:
            sequences = [Tokens(item, len(item)) for item in inputs if not isinstance(item, str)]
            self._check_ids(sequences)
        for index, tokens in enumerate(sequences):
            if not tokens:
                raise RequestError(
                    "An input without tokens has no vector.", param=f"input[{index}]"
                )
            if len(tokens) > self.context_length:
                if not truncate:
                    raise InputTooLong(len(tokens), self.context_length, param=f"input[{index}]")
                sequences[index] = self._cut(tokens, texts[index] if texts else None)
        return sequences

    def _cut(self, tokens: Tokens, text: str | None) -> Tokens:
        """Of a text as much as leaves room for the special tokens, which end it as they should."""
        if text is None:
            return Tokens(tokens.token_ids[: self.context_length], self.context_length)
        return self._tokenizer.encode_cut(text, self.context_length)

    def _pairs(self, query: str, documents: Sequence[str], truncate: bool) -> list[Tokens]:
        pairs = self._tokenizer.encode_pairs(query, documents)
        for index, tokens in enumerate(pairs):
            if len(tokens) > self.context_length:
                if not truncate:
                    param = f"documents[{index}]"
                    raise InputTooLong(len(tokens), self.context_length, param=param)
                pairs[index] = self._tokenizer.encode_cut_pair(
                    query, documents[index], self.context_length
                )
        return pairs

    def _check_ids(self, sequences: Sequence[Tokens]) -> None:
        vocab_size = self.manifest.architecture.vocab_size
        for index, tokens in enumerate(sequences):
            if tokens and not 0 <= min(tokens.token_ids) <= max(tokens.token_ids) < vocab_size:
                raise RequestError(
                    f"The input holds token ids outside the model's vocabulary of {vocab_size}.",
                    param=f"input[{index}]",
                )


async def _maybe_in_thread(num_characters: int, work: Callable[[], ResultT]) -> ResultT:
    if num_characters <= _MAX_CHARACTERS_ON_LOOP:
        return work()
    return await asyncio.to_thread(work)


def _num_characters(inputs: Sequence[str] | Sequence[list[int]]) -> int:
    return sum(map(len, inputs))


def _check_dimensions(embedding: Embedding, wanted: int | None, any_dimensions: bool) -> None:
    if wanted is None or wanted == embedding.dimensions:
        return
    if wanted > embedding.dimensions:
        raise RequestError(
            f"The model's vectors have {embedding.dimensions} dimensions, which is the most that "
            "can be asked for.",
            param="dimensions",
        )
    if any_dimensions:
        return
    if not embedding.matryoshka:
        raise UnsupportedParameter(
            f"The model does not declare that the first of its {embedding.dimensions} dimensions "
            "are a vector of their own (Matryoshka). With 'allow_any_dimensions': true they are "
            "cut all the same.",
            param="dimensions",
        )
    named = embedding.matryoshka_dimensions
    if named and wanted not in named:
        sizes = ", ".join(map(str, named))
        raise RequestError(f"The model's vectors can be cut to {sizes}.", param="dimensions")


def _prompt(embedding: Embedding, name: str | None) -> str:
    if name is None:
        name = embedding.default_prompt
    if name is None:
        return ""
    if name not in embedding.prompts:
        known = ", ".join(sorted(embedding.prompts)) or "none"
        raise RequestError(f"The model has no such prompt; it has: {known}.", param="prompt_name")
    return embedding.prompts[name]


def _check_device(package: EncoderPackage, provider: Provider) -> None:
    manifest = package.manifest
    if provider.device in manifest.devices:
        return
    # Only graphs that optimum exported run on several devices.
    remedy = "" if manifest.graphs.devices else ": python -m export NAME --precision fp32"
    raise WrongDevice(
        f"The package of model {package.name} is made for {' and '.join(manifest.devices)}, not "
        f"for {provider.device}{remedy}."
    )


def _read_tokenizer(package: EncoderPackage) -> SequenceTokenizer:
    tokenizer = SequenceTokenizer(package.folder / TOKENIZER_NAME)
    if not tokenizer.fits(package.manifest.architecture.vocab_size):
        raise PackageCorrupt(f"The tokenizer of model {package.name} is not the model's.")
    return tokenizer
