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

import onnx

from export.checkpoints.base import Tensor
from export.decoder.blocks import Weight
from export.decoder.builder import INT64, GraphBuilder
from export.decoder.directml import shape_for_directml
from export.decoder.head import write_head
from export.decoder.layers import Layers
from export.decoder.precision import Precision
from export.decoder.storing import Storing
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weight_only import WeightOnly
from export.decoder.weights import Weights
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
    stored = WeightOnly(weights, precision, storing, on_matrix)
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
