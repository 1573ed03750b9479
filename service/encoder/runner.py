"""Computes one batch of sequences on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.encoder.cache import Cache
from service.encoder.pooling import POOLINGS, Floats, normalized
from service.encoder.tokens import Tokens
from service.errors import PackageCorrupt
from service.runtime.providers import Provider
from service.runtime.sessions import open_session
from service.store.manifest import Embedding, EncoderManifest

Values = dict[str, NDArray[np.generic]]

_KNOWN_INPUTS = frozenset(
    {
        "input_ids",
        "attention_mask",
        "token_type_ids",
        "position_ids",
        "seqlens_k",
        "total_sequence_length",
    }
)

CHUNK = 512
"""Tokens of a long sequence that are read at once where a graph has a cache: a text of 8,000 takes
half the time and half the memory so (16 heads, two cores)."""


class EncoderRunner:
    """An encoder's graph. To be used by one thread."""

    def __init__(self, folder: Path, manifest: EncoderManifest, provider: Provider) -> None:
        """Raises PackageCorrupt if the graph cannot be loaded or is not what the manifest says."""
        self._session = open_session(folder / manifest.graphs.encoder, provider, shapes_on_cpu=True)
        self._embedding = manifest.embedding
        self._pad = manifest.tokens.pad
        self._output = "logits" if manifest.embedding is None else "last_hidden_state"
        outputs = [value.name for value in self._session.get_outputs()]
        self._cache = Cache.of(self._session.get_inputs(), frozenset(outputs))
        inputs = [value.name for value in self._session.get_inputs()]
        self._inputs = [name for name in inputs if name not in self._cache.pasts]
        if not _KNOWN_INPUTS.issuperset(self._inputs) or self._output not in outputs:
            raise PackageCorrupt(
                f"{manifest.graphs.encoder} is no encoder: it goes from {', '.join(inputs)} "
                f"to {', '.join(outputs)}"
            )

    def close(self) -> None:
        """Frees the session. Nothing may follow."""
        del self._session

    @property
    def width(self) -> int:
        """The numbers that come out for each sequence: a vector's, or the one of a judgement."""
        return 1 if self._embedding is None else self._embedding.dimensions

    def run(self, batch: Sequence[Tokens]) -> Floats:
        """A vector for each sequence, or the logit of each pair: `[B, width]`.

        Each sequence has at least one token. Raises what ONNX Runtime raises.
        """
        if self._cache.pasts and len(batch) == 1 and len(batch[0]) > CHUNK:
            output = self._run_in_chunks(batch[0])
        else:
            feeds = self._feeds(batch) | self._cache.empty(len(batch))
            (output,) = self._session.run([self._output], feeds)
        if self._embedding is None:
            logits: Floats = output.astype(np.float32).reshape(len(batch), 1)
            return logits
        return _pooled(output, batch, self._embedding)

    def _run_in_chunks(self, tokens: Tokens) -> Floats:
        """What the graph gives for the one sequence, whose chunks see those before them."""
        pasts = self._cache.empty(1)
        outputs: list[Floats] = []
        for start in range(0, len(tokens), CHUNK):
            ids = tokens.token_ids[start : start + CHUNK]
            feeds = self._feeds([Tokens(ids, len(ids))], start) | pasts
            output, *presents = self._session.run([self._output, *self._cache.presents], feeds)
            pasts = dict(zip(self._cache.pasts, presents, strict=True))
            outputs.append(output)
        return outputs[-1] if self._embedding is None else np.concatenate(outputs, axis=1)

    def _feeds(self, batch: Sequence[Tokens], num_past: int = 0) -> Values:
        """All inputs but the cache, behind `num_past` tokens."""
        length = max(map(len, batch))
        end = num_past + length
        positions = np.arange(num_past, end, dtype=np.int64)
        values: Values = {
            "input_ids": np.full((len(batch), length), self._pad, np.int64),
            "attention_mask": np.zeros((len(batch), length), np.int64),
            "token_type_ids": np.zeros((len(batch), length), np.int64),
            "position_ids": np.tile(positions, (len(batch), 1)),
            # Padding is behind the tokens, none of which sees it.
            "seqlens_k": np.full(len(batch), end - 1, np.int32),
            "total_sequence_length": np.array(end, np.int32),
        }
        for row, tokens in enumerate(batch):
            values["input_ids"][row, : len(tokens)] = tokens.token_ids
            values["attention_mask"][row, : len(tokens)] = 1
            values["token_type_ids"][row, tokens.second_from : len(tokens)] = 1
        return {name: values[name] for name in self._inputs}


def _pooled(hidden: Floats, batch: Sequence[Tokens], embedding: Embedding) -> Floats:
    """`hidden` is `[B, S, D]`, of which a sequence's own rows are its first ones."""
    pool = POOLINGS[embedding.pooling]
    vectors = np.stack([pool(hidden[row, : len(tokens)]) for row, tokens in enumerate(batch)])
    return normalized(vectors) if embedding.normalized else vectors.astype(np.float32)
