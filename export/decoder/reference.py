"""The decoder in plain numpy float32: slow, obvious, and what packages are verified against.

Weights are read and dropped layer by layer, so that only one is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from export.checkpoints.base import Checkpoint, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.numpy_ops import (
    Floats,
    activated,
    bend,
    causal_mask,
    mixed_gate,
    normalize,
    rotate,
    routing,
    softmax,
)
from export.decoder.parts import Experts, Linear, Mlp, Norm, RopeSpec
from export.decoder.rope import rope_tables
from export.decoder.spec import DecoderSpec
from export.decoder.weights import Weights

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

    @property
    def _weights(self) -> Weights:
        return Weights(self.spec, self.checkpoint)

    def logits(self, token_ids: Sequence[int]) -> Floats:
        """Next-token logits behind each of S tokens, float32 `[S, vocab_size]`."""
        return self._head(self.normed(token_ids))

    def normed(self, token_ids: Sequence[int]) -> Floats:
        """What a head would read of each of S tokens, float32 `[S, hidden_size]`."""
        return self._norm(self.spec.final_norm, None, self.hidden(token_ids))

    def hidden(self, token_ids: Sequence[int], observe: Observer = _ignore) -> Floats:
        """The stream behind the last layer, float32 `[S, hidden_size]`.

        `observe` sees what goes into each layer's QKV, gate and up, and down.
        """
        norms, share = self.spec.norms, np.float32(self.spec.scales.branch)
        x = self._embed(token_ids)
        for layer in range(self.spec.num_layers):
            normed = self._norm(norms.before_attention, layer, x)
            observe(layer, "attention", normed)
            branch = self._attention(layer, normed)
            x = x + share * self._norm(norms.after_attention, layer, branch)
            normed = self._norm(norms.before_mlp, layer, x)
            observe(layer, "mlp", normed)
            branch = self._mlp(layer, normed, observe)
            x = x + share * self._norm(norms.after_mlp, layer, branch)
        return x

    def _embed(self, token_ids: Sequence[int]) -> Floats:
        tensor = self._weights.embedding()
        rows = [dequantize(tensor, slice(token_id, token_id + 1)) for token_id in token_ids]
        return np.concatenate(rows) * np.float32(self.spec.scales.embedding)

    def _norm(self, norm: Norm | None, layer: int | None, x: Floats) -> Floats:
        return x if norm is None else normalize(x, norm, self._weights.norm(norm, layer))

    def _attention(self, layer: int, x: Floats) -> Floats:
        """Causal grouped-query attention: `group` query heads share a key-value head."""
        attention = self.spec.attention
        group = attention.num_heads // attention.num_kv_heads
        query, key, value = self._heads(layer, x)
        kind = attention.layers[layer]
        if kind.rope is not None:
            query, key = self._rotated(kind.rope, query), self._rotated(kind.rope, key)
        key, value = np.repeat(key, group, axis=0), np.repeat(value, group, axis=0)
        scale = attention.head_dim**-0.5 if attention.scale is None else attention.scale
        scores = bend(query @ key.transpose(0, 2, 1) * np.float32(scale), attention.softcap)
        scores = scores + causal_mask(len(x), kind.window)
        attended = softmax(scores, self._sinks(layer)) @ value
        merged = attended.transpose(1, 0, 2).reshape(len(x), attention.query_size)
        return self._linear(layer, merged, attention.out)

    def _heads(self, layer: int, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Queries, keys and values, normed where they are: `[heads, S, head_dim]`."""
        attention = self.spec.attention
        qkv = self._linear(layer, x, *attention.inputs)
        ends = [attention.query_size, attention.query_size + attention.kv_size]
        query, key, value = np.split(qkv, ends, axis=-1)
        if attention.norms is not None:
            query = self._norm_heads(attention.norms.query, layer, query)
            key = self._norm_heads(attention.norms.key, layer, key)
        shape = (len(x), -1, attention.head_dim)
        apart = [part.reshape(shape).transpose(1, 0, 2) for part in (query, key, value)]
        return apart[0], apart[1], apart[2]

    def _norm_heads(self, norm: Norm, layer: int, x: Floats) -> Floats:
        """`x` `[S, features]`, each run of the norm's size normed by itself."""
        runs = x.reshape(len(x), -1, norm.size)
        return self._norm(norm, layer, runs).reshape(x.shape)

    def _rotated(self, rope: RopeSpec, x: Floats) -> Floats:
        return rotate(x, *rope_tables(rope, x.shape[1], self.spec.context_length))

    def _sinks(self, layer: int) -> Floats | None:
        attention = self.spec.attention
        if not attention.sinks:
            return None
        return self._weights.vector(attention.sinks, attention.num_heads, layer)

    def _mlp(self, layer: int, x: Floats, observe: Observer) -> Floats:
        mlp = self.spec.mlp
        if isinstance(mlp, Experts):
            return self._experts(layer, mlp, x)
        inner = self._inner(layer, mlp, x)
        observe(layer, "down", inner)
        return self._linear(layer, inner, mlp.down)

    def _experts(self, layer: int, experts: Experts, x: Floats) -> Floats:
        """The sum of what the chosen experts of each token make of it, each by its share."""
        shares = routing(self._linear(layer, x, experts.router), experts.num_active)
        total = np.zeros_like(x)
        for index, mlp in enumerate(experts.mlps):
            (tokens,) = np.nonzero(shares[:, index])
            if len(tokens):
                gate, up = np.split(self._linear(layer, x[tokens], *mlp.inputs), 2, axis=-1)
                out = self._linear(layer, mixed_gate(gate, up, experts), mlp.down)
                total[tokens] += shares[tokens, index, None] * out
        return total

    def _inner(self, layer: int, mlp: Mlp, x: Floats) -> Floats:
        """What goes into the MLP's last linear."""
        inner = self._linear(layer, x, *mlp.inputs)
        if not mlp.is_gated:
            return activated(inner, mlp.activation)
        gate, up = np.split(inner, 2, axis=-1)
        gated: Floats = activated(gate, mlp.activation) * up
        return gated

    def _head(self, x: Floats) -> Floats:
        weights, scales = self._weights, self.spec.scales
        tensor = weights.embedding() if self.spec.tied_head else weights.head()
        logits = np.concatenate([x @ rows.T for rows in _slices(tensor)], axis=-1)
        return bend(logits * np.float32(scales.logits), scales.logits_softcap)

    def _linear(self, layer: int, x: Floats, *linears: Linear) -> Floats:
        """`x` through `linears`, their outputs side by side."""
        parts = []
        for linear in linears:
            y = x @ dequantize(self._weights.matrix(linear, layer)).T
            bias = self._weights.bias(linear, layer)
            parts.append(y if bias is None else y + bias)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _slices(tensor: Tensor) -> Iterator[Floats]:
    for start in range(0, tensor.shape[0], _VOCABULARY_ROWS):
        yield dequantize(tensor, slice(start, start + _VOCABULARY_ROWS))
