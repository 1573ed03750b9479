"""A graph that embeds tokens, for decoders that are given more than tokens: `inputs_embeds`."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from export.decoder.builder import INT64, GraphBuilder, initializers
from export.decoder.graph import fit_to_target
from export.decoder.layers import embed_tokens
from export.decoder.precision import Precision
from export.decoder.storing import Storing
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile, view_of
from export.decoder.weights import Weights


def build_embedding(
    weights: Weights,
    precision: Precision,
    target: Target,
    tensors: TensorFile,
    decoder: onnx.ModelProto,
) -> onnx.ModelProto:
    """The graph from `input_ids` to `inputs_embeds` for a `decoder` that takes them; a table that
    both use stays in that one's file."""
    graph = GraphBuilder(tensors, target.dtype, _shared(decoder))
    spec = weights.spec
    graph.input("input_ids", INT64, ["batch", "sequence"])
    table = Storing(target, spec.hidden_size).even(precision.vocabulary(weights.embedding()))
    graph.node("Cast", [embed_tokens(graph, spec, table)], "inputs_embeds", to=graph.float_type)
    graph.output("inputs_embeds", graph.float_type, ["batch", "sequence", spec.hidden_size])
    return fit_to_target(graph.model(f"{spec.family} embedding"), target, tensors)


def _shared(decoder: onnx.ModelProto) -> Mapping[str, onnx.TensorProto]:
    """What the head of `decoder` multiplies with, if it is tied to the embedding."""
    tensors = initializers(decoder, "embedding.")
    codes = tensors.get("embedding.codes")
    if codes is None:
        return tensors
    rows, blocks, size = codes.dims
    return {**tensors, "embedding.table": view_of(codes, "embedding.table", (rows, blocks * size))}
