"""Computes one batch of sequences on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.encoder.pooling import POOLINGS, Floats, normalized
from service.encoder.tokens import Tokens
from service.errors import PackageCorrupt
from service.runtime.providers import Provider
from service.runtime.sessions import open_session
from service.store.manifest import Embedding, EncoderManifest

Integers = NDArray[np.int64]

_KNOWN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})


class EncoderRunner:
    """An encoder's graph. To be used by one thread."""

    def __init__(self, folder: Path, manifest: EncoderManifest, provider: Provider) -> None:
        """Raises PackageCorrupt if the graph cannot be loaded or is not what the manifest says."""
        self._session = open_session(folder / manifest.graphs.encoder, provider, shapes_on_cpu=True)
        self._embedding = manifest.embedding
        self._pad = manifest.tokens.pad
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._output = "logits" if manifest.embedding is None else "last_hidden_state"
        outputs = [value.name for value in self._session.get_outputs()]
        if not _KNOWN_INPUTS.issuperset(self._inputs) or self._output not in outputs:
            raise PackageCorrupt(
                f"{manifest.graphs.encoder} is no encoder: it goes from {', '.join(self._inputs)} "
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
        feeds = self._feeds(batch)
        (output,) = self._session.run([self._output], feeds)
        if self._embedding is None:
            logits: Floats = output.astype(np.float32).reshape(len(batch), 1)
            return logits
        return _pooled(output, batch, self._embedding)

    def _feeds(self, batch: Sequence[Tokens]) -> dict[str, Integers]:
        length = max(map(len, batch))
        values = {
            "input_ids": np.full((len(batch), length), self._pad, np.int64),
            "attention_mask": np.zeros((len(batch), length), np.int64),
            "token_type_ids": np.zeros((len(batch), length), np.int64),
            "position_ids": np.tile(np.arange(length, dtype=np.int64), (len(batch), 1)),
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
