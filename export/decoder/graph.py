"""The decoder's ONNX graph, written from a spec and weights that are asked for one at a time.

Inputs and outputs (B rows, S new tokens per row, T slots of the KV buffer, n wanted positions):

    input_ids                    int64 [B, S]
    seqlens_k                    int32 [B]      each row's length after this call, minus one
    total_sequence_length        int32 []       the largest length after this call
    logits_indices               int64 [n]      which of the B * S positions get logits
    past_key_values.{i}.key      float [B, num_kv_heads, T, head_dim], likewise .value
    present.{i}.key              the same memory as the past, new tokens written in place
    logits                       float32 [n, vocab_size]

`float` is float32 or float16, as the target wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.decoder.blocks import BlockWeight, Weight
from export.decoder.builder import FLOAT, INT64, GraphBuilder
from export.decoder.layers import Layers
from export.decoder.linear import linear
from export.decoder.precision import Precision
from export.decoder.spec import Linear
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.decoder.widening import widen

WIDENED_HIDDEN_SIZE = 1024
"""Up to here a correction for offsets costs more than reading twice the bytes (on two cores: a
decode step of hidden size 576 is a tenth faster with 8 bits, one of 2048 a third slower)."""


def build_decoder(
    weights: Weights,
    precision: Precision,
    target: Target,
    tensors: TensorFile,
    on_layer: Callable[[], None] = lambda: None,
) -> onnx.ModelProto:
    """The graph of `weights` for `target`; they go to `tensors` in `precision` as they are met.

    `on_layer` is called after each layer. Raises ExportError if a weight is missing or has
    another shape than the spec says.
    """
    spec, graph = weights.spec, GraphBuilder(tensors, target.dtype)
    widens = target is Target.CPU and spec.hidden_size <= WIDENED_HIDDEN_SIZE
    layers = Layers(graph, spec, _WeightOnly(weights, precision, widens))
    embedding = precision.vocabulary(weights.embedding())
    graph.input("logits_indices", INT64, ["num_logits"])
    residual, branch = layers.start(embedding), ""
    for layer in range(spec.num_layers):
        residual, attended = layers.attend(layer, residual, branch)
        if layer == spec.num_layers - 1:
            # Beyond the last attention every token stands alone: only the wanted ones go on.
            residual = _wanted(graph, residual, spec.hidden_size)
            attended = _wanted(graph, attended, spec.query_size)
        residual, branch = layers.finish(layer, residual, attended)
        on_layer()
    _, hidden = layers.norm("final_norm", spec.weights.final_norm, None, residual, branch)
    _write_head(graph, weights, precision, embedding, hidden)
    return graph.model(spec.family)


def _wanted(graph: GraphBuilder, values: str, num_features: int) -> str:
    """The rows `[1, n, num_features]` of `values` at `logits_indices`."""
    flat = graph.node("Reshape", [values, graph.integers(1, -1, num_features)], f"{values}.flat")
    return graph.node("Gather", [flat, "logits_indices"], f"{values}.wanted", axis=1)


def _write_head(
    graph: GraphBuilder, weights: Weights, precision: Precision, embedding: Weight, hidden: str
) -> None:
    tied = weights.spec.tied_head
    head = embedding if tied else precision.vocabulary(weights.head())
    logits = linear(graph, "embedding" if tied else "head", hidden, [head])
    rows = graph.integers(-1, weights.spec.vocab_size)
    flat = graph.node("Reshape", [logits, rows], "flat_logits")
    graph.node("Cast", [flat], "logits", to=FLOAT)
    graph.output("logits", FLOAT, ["num_logits", weights.spec.vocab_size])


@dataclass(frozen=True, slots=True)
class _WeightOnly:
    """Linears whose weights are stored in a precision; `widens` is whether 4-bit ones with
    offsets are stored as 8-bit ones."""

    weights: Weights
    precision: Precision
    widens: bool

    def norm(self, name: str, layer: int | None) -> NDArray[np.float32]:
        return self.weights.norm(name, layer)

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        stored = [self._stored(each, layer) for each in linears]
        biases = [self.weights.bias(each, layer) for each in linears]
        given = [bias for bias in biases if bias is not None]
        assert len(given) in (0, len(biases))
        return linear(graph, name, x, stored, np.concatenate(given) if given else None)

    def _stored(self, linear: Linear, layer: int) -> Weight:
        weight = self.precision.linear(self.weights.matrix(linear, layer))
        if self.widens and isinstance(weight, BlockWeight) and weight.offsets is not None:
            return widen(weight)
        return weight
