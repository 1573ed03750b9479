"""What a decoder's layers compute, in plain numpy float32."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from export.decoder.parts import Activation, Experts, Norm
from export.decoder.weights import NormWeights

Floats = NDArray[np.float32]


def normalize(x: Floats, norm: Norm, weights: NormWeights) -> Floats:
    """`x` `[..., norm.size]` over its last axis."""
    if norm.kind == "layer":
        x = x - x.mean(-1, keepdims=True)
    mean_square = np.square(x).mean(-1, keepdims=True)
    normed: Floats = x / np.sqrt(mean_square + np.float32(norm.epsilon)) * weights.scale
    return normed if weights.bias is None else normed + weights.bias


def activated(x: Floats, activation: Activation) -> Floats:
    return x * _gate(x, activation)


def _gate(x: Floats, activation: Activation) -> Floats:
    """The share of `x` that passes, from 0 to 1."""
    if activation == "silu":
        # Far below zero the exponential overflows to infinity, and the quotient is a proper zero.
        with np.errstate(over="ignore"):
            passed: Floats = np.reciprocal(1 + np.exp(-x))
    elif activation == "gelu_tanh":
        inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
        passed = np.float32(0.5) * (1 + np.tanh(inner))
    else:
        error_function = np.vectorize(math.erf, otypes=[np.float32])
        passed = np.float32(0.5) * (1 + error_function(x / np.float32(math.sqrt(2))))
    return passed


def bend(x: Floats, cap: float) -> Floats:
    """`x` bent into ±`cap`, or as it is if that is zero."""
    if not cap:
        return x
    bent: Floats = np.float32(cap) * np.tanh(x / np.float32(cap))
    return bent


def rotate(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Rotates the halves of each head's first features against each other, as Hugging Face's
    checkpoints want: `x` `[..., S, head_dim]`, the tables `[S, dim / 2]`."""
    half = cos.shape[-1]
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)


def causal_mask(length: int, window: int | None) -> Floats:
    """Zero where a row's token sees a column's, else minus infinity: `[length, length]`."""
    hidden = np.full((length, length), -np.inf, np.float32)
    mask = np.triu(hidden, k=1)
    return mask if window is None else mask + np.tril(hidden, k=-window)


def softmax(x: Floats, sinks: Floats | None = None) -> Floats:
    """Over the last axis of `[heads, S, S]`; a head's sink takes its part and gives nothing."""
    largest = x.max(-1, keepdims=True)
    if sinks is not None:
        largest = np.maximum(largest, sinks[:, None, None])
    weights: Floats = np.exp(x - largest)
    total = weights.sum(-1, keepdims=True)
    if sinks is not None:
        total = total + np.exp(sinks[:, None, None] - largest)
    weights /= total
    return weights


def mixed_gate(gate: Floats, up: Floats, experts: Experts) -> Floats:
    """What goes into the last linear of an expert."""
    if experts.limit is not None:
        limit = np.float32(experts.limit)
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    passed = _gate(np.float32(experts.steepness) * gate, "silu")
    return gate * passed * (up + np.float32(experts.up_offset))


def routing(logits: Floats, num_active: int) -> Floats:
    """Softmax over the `num_active` largest logits of each row, zero elsewhere."""
    smallest = np.sort(logits, axis=-1)[:, -num_active, None]
    chosen = np.where(logits >= smallest, logits, -np.inf)
    shares: Floats = np.exp(chosen - chosen.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return shares
