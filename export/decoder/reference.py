"""The decoder in plain numpy float32: slow, obvious, and what packages are verified against.

Weights are read and dropped layer by layer, so that only one is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.rope import rope_tables
from export.decoder.spec import DecoderSpec, Linear

Floats = NDArray[np.float32]

Site = Literal["attention", "mlp", "down"]
"""What reads an activation: QKV, gate and up, or down."""

Observer = Callable[[int, Site, Floats], None]
"""Is shown activations `[S, channels]` of a layer and site."""


def _ignore(layer: int, site: Site, x: Floats) -> None:
    pass


_VOCABULARY_ROWS = 8192
"""Rows of the head multiplied at a time."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The model of `checkpoint`, computed from its weights as they are stored there."""

    spec: DecoderSpec
    checkpoint: Checkpoint

    def logits(self, token_ids: Sequence[int]) -> Floats:
        """Next-token logits behind each of S tokens, float32 `[S, vocab_size]`."""
        x = self.hidden(token_ids)
        return self._head(self._norm(self.spec.weights.final_norm, None, x))

    def hidden(self, token_ids: Sequence[int], observe: Observer = _ignore) -> Floats:
        """The stream behind the last layer, float32 `[S, hidden_size]`.

        `observe` sees what goes into each layer's QKV, gate and up, and down.
        """
        x = self._embed(token_ids)
        for layer in range(self.spec.num_layers):
            normed = self._norm(self.spec.weights.attention_norm, layer, x)
            observe(layer, "attention", normed)
            x = x + self._attention(layer, normed)
            normed = self._norm(self.spec.weights.mlp_norm, layer, x)
            observe(layer, "mlp", normed)
            gated = self._gated(layer, normed)
            observe(layer, "down", gated)
            x = x + self._linear(self.spec.down, layer, gated)
        return x

    def _embed(self, token_ids: Sequence[int]) -> Floats:
        tensor = self.checkpoint.tensor(self.spec.weights.embedding)
        rows = [dequantize(tensor, slice(token_id, token_id + 1)) for token_id in token_ids]
        return np.concatenate(rows)

    def _norm(self, name: str, layer: int | None, x: Floats) -> Floats:
        scale = dequantize(self._tensor(name, layer))
        mean_square = np.square(x).mean(-1, keepdims=True)
        normed: Floats = x / np.sqrt(mean_square + np.float32(self.spec.rms_norm_eps)) * scale
        return normed

    def _attention(self, layer: int, x: Floats) -> Floats:
        """Causal grouped-query attention: `group` query heads share a key-value head."""
        spec = self.spec
        group = spec.num_heads // spec.num_kv_heads
        query = self._heads(self._linear(spec.query, layer, x))
        key = self._heads(self._linear(spec.key, layer, x))
        value = self._heads(self._linear(spec.value, layer, x))
        cos, sin = rope_tables(spec.rope, spec.head_dim, len(x))
        key = np.repeat(_rotate(key, cos, sin), group, axis=0)
        scores = (
            _rotate(query, cos, sin) @ key.transpose(0, 2, 1) / np.sqrt(np.float32(spec.head_dim))
        )
        scores += np.triu(np.full((len(x), len(x)), -np.inf, np.float32), k=1)
        attended = _softmax(scores) @ np.repeat(value, group, axis=0)
        merged = attended.transpose(1, 0, 2).reshape(len(x), spec.query_size)
        return self._linear(spec.attention_out, layer, merged)

    def _gated(self, layer: int, x: Floats) -> Floats:
        gate = self._linear(self.spec.gate, layer, x)
        # Far below zero the exponential overflows to infinity, and the quotient is a proper zero.
        with np.errstate(over="ignore"):
            activated = gate / (1 + np.exp(-gate))
        gated: Floats = activated * self._linear(self.spec.up, layer, x)
        return gated

    def _head(self, x: Floats) -> Floats:
        name = self.spec.weights.embedding if self.spec.tied_head else self.spec.weights.head
        tensor = self.checkpoint.tensor(name)
        return np.concatenate([x @ rows.T for rows in _slices(tensor)], axis=-1)

    def _linear(self, linear: Linear, layer: int, x: Floats) -> Floats:
        y = x @ dequantize(self._tensor(f"{linear.name}.weight", layer)).T
        return y + dequantize(self._tensor(f"{linear.name}.bias", layer)) if linear.has_bias else y

    def _heads(self, x: Floats) -> Floats:
        """`[S, heads * head_dim]` to `[heads, S, head_dim]`."""
        return x.reshape(len(x), -1, self.spec.head_dim).transpose(1, 0, 2)

    def _tensor(self, name: str, layer: int | None) -> Tensor:
        return self.checkpoint.tensor(name if layer is None else name.format(i=layer))


def _slices(tensor: Tensor) -> Iterator[Floats]:
    for start in range(0, tensor.shape[0], _VOCABULARY_ROWS):
        yield dequantize(tensor, slice(start, start + _VOCABULARY_ROWS))


def _rotate(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Rotates the halves of each head against each other, as Hugging Face's checkpoints want."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _softmax(x: Floats) -> Floats:
    weights: Floats = np.exp(x - x.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights
