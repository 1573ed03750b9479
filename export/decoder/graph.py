"""The decoder's ONNX graph, written from a spec and weights that are asked for one at a time.

Inputs and outputs (B rows, S new tokens per row, T slots of the KV buffer, n wanted positions):

    input_ids                    int64 [B, S]
    seqlens_k                    int32 [B]      each row's length after this call, minus one
    total_sequence_length        int32 []       the largest length after this call
    logits_indices               int64 [n]      which of the B * S positions get logits
    past_key_values.{i}.key      float [B, num_kv_heads, T, head_dim], likewise .value
    present.{i}.key              the same memory as the past, new tokens written in place
    logits                       float32 [n, vocab_size]

`float` is float32 or float16, as the target wants it; what else DirectML wants is in `directml`.
A graph may take `inputs_embeds`, float `[B, S, hidden_size]`, instead of `input_ids`: those that
the graph of `embedding` makes of tokens, or others among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.decoder.blocks import DenseWeight, Weight, densify
from export.decoder.builder import INT64, GraphBuilder
from export.decoder.directml import shape_for_directml
from export.decoder.head import write_head
from export.decoder.layers import Layers
from export.decoder.linear import linear
from export.decoder.parts import Linear, Norm
from export.decoder.precision import Precision
from export.decoder.storing import Storing
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import NormWeights, Weights
from export.operators.check import require_kernels


def build_decoder(
    weights: Weights,
    precision: Precision,
    target: Target,
    tensors: TensorFile,
    on_layer: Callable[[], None] = lambda: None,
    *,
    on_matrix: Callable[[Tensor, Weight], None] = lambda _, __: None,
    takes_embeddings: bool = False,
) -> onnx.ModelProto:
    """The graph of `weights` for `target`; they go to `tensors` in `precision` as they are met.

    With `takes_embeddings` its input is `inputs_embeds`. `on_layer` is called after each layer,
    `on_matrix` with each matrix and what it became.
    Raises ExportError if a weight is missing or has another shape than the spec says, or if the
    target has no kernel for a node.
    """
    spec, graph = weights.spec, GraphBuilder(tensors, target.dtype)
    storing = Storing(target, spec.hidden_size, precision)
    stored = _WeightOnly(weights, precision, storing, on_matrix)
    layers = Layers(graph, spec, stored)
    embedding = stored.vocabulary(weights.embedding())
    graph.input("logits_indices", INT64, ["num_logits"])
    residual, branch = layers.start(None if takes_embeddings else embedding), ""
    for layer in range(spec.num_layers):
        residual, attended = layers.attend(layer, residual, branch)
        if layer == spec.num_layers - 1:
            # Beyond the last attention every token stands alone: only the wanted ones go on.
            residual = _wanted(graph, residual, spec.hidden_size)
            attended = _wanted(graph, attended, spec.attention.query_size)
        residual, branch = layers.finish(layer, residual, attended)
        on_layer()
    _, hidden = layers.add("final_norm", spec.final_norm, None, residual, branch)
    head = embedding
    if not spec.tied_head:
        head = stored.vocabulary(weights.head())
    write_head(graph, spec, head, hidden)
    return fit_to_target(graph.model(spec.family), target, tensors)


def fit_to_target(model: onnx.ModelProto, target: Target, tensors: TensorFile) -> onnx.ModelProto:
    """`model` in the form that the target's kernels want. Raises ExportError if some node has
    none."""
    if target is Target.DIRECTML:
        shape_for_directml(model, tensors)
    require_kernels(model, target.provider)
    return model


def _wanted(graph: GraphBuilder, values: str, num_features: int) -> str:
    """The rows `[1, n, num_features]` of `values` at `logits_indices`."""
    flat = graph.node("Reshape", [values, graph.integers(1, -1, num_features)], f"{values}.flat")
    return graph.node("Gather", [flat, "logits_indices"], f"{values}.wanted", axis=1)


@dataclass(frozen=True, slots=True)
class _WeightOnly:
    """Linears whose weights are stored in a precision, in the form that `storing` gives them."""

    weights: Weights
    precision: Precision
    storing: Storing
    on_matrix: Callable[[Tensor, Weight], None]

    def vocabulary(self, tensor: Tensor) -> Weight:
        weight = self.storing.even(self.precision.vocabulary(tensor))
        self.on_matrix(tensor, weight)
        return weight

    def norm(self, norm: Norm, layer: int | None) -> NormWeights:
        return self.weights.norm(norm, layer)

    def vector(self, name: str, size: int, layer: int) -> NDArray[np.float32]:
        return self.weights.vector(name, size, layer)

    def weight(self, linear: Linear, layer: int) -> Weight:
        tensor = self.weights.matrix(linear, layer)
        weight = self.precision.linear(tensor)
        self.on_matrix(tensor, weight)
        return weight

    def bias(self, linear: Linear, layer: int) -> NDArray[np.float32] | None:
        return self.weights.bias(linear, layer)

    def plain_weight(self, linear: Linear, layer: int) -> DenseWeight:
        tensor = self.weights.matrix(linear, layer)
        weight = densify(tensor, np.float32)
        self.on_matrix(tensor, weight)
        return weight

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        stored = [self._stored(each, layer) for each in linears]
        biases = [self.weights.bias(each, layer) for each in linears]
        given = [bias for bias in biases if bias is not None]
        assert len(given) in (0, len(biases))
        return linear(graph, name, x, stored, np.concatenate(given) if given else None)

    def _stored(self, linear: Linear, layer: int) -> Weight:
        tensor = self.weights.matrix(linear, layer)
        is_sensitive = linear in self.weights.spec.sensitive(layer)
        weight = self.storing.linear(self.precision.linear(tensor, is_sensitive=is_sensitive))
        self.on_matrix(tensor, weight)
        return weight
