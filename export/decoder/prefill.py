"""A graph that only reads prompts, derived from the decoder's and using the very same weights.

It fills the KV memory and computes nothing else: no head, nothing behind the last layer's keys
and values. The last prompt token goes through the decoder's graph as any other.

Its reason is speed: with many rows at once, 4-bit weights are multiplied faster in float32 than
with activations in int8, by 1.6 times where it was measured; with few rows it is the reverse.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TypeAlias

import onnx

Named: TypeAlias = "onnx.ValueInfoProto | onnx.TensorProto"

_FLOAT_ACTIVATIONS = 1
"""MatMulNBits' `accuracy_level` for float32 arithmetic."""


def gains_from_prefill_graph(decoder: onnx.ModelProto) -> bool:
    """Whether most weights are such that a prompt is better multiplied with in another way: for a
    few, one more graph's memory and what the others lose in it are too much."""
    products = [node for node in decoder.graph.node if node.op_type == "MatMulNBits"]
    return 2 * sum(map(_is_4_bit, products)) > len(products)


def derive_prefill(decoder: onnx.ModelProto) -> onnx.ModelProto:
    """The part of `decoder` that its `present` outputs depend on; `decoder` is left as it is."""
    model = onnx.ModelProto()
    model.CopyFrom(decoder)
    graph = model.graph
    graph.name = f"{graph.name} prefill"
    _keep(graph.output, {output.name for output in graph.output} - {"logits"})
    needed = _needed_values(graph)
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    del graph.node[:]
    graph.node.extend(nodes)
    _keep(graph.input, needed)
    _keep(graph.initializer, needed)
    for node in graph.node:
        if _is_4_bit(node):
            _attribute(node, "accuracy_level").i = _FLOAT_ACTIVATIONS
    return model


def _needed_values(graph: onnx.GraphProto) -> set[str]:
    """The outputs and all that they are computed from; the nodes are in the order they run."""
    needed = {output.name for output in graph.output}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(filter(None, node.input))
    return needed


def _keep(values: MutableSequence[Named], names: set[str]) -> None:
    kept = [value for value in values if value.name in names]
    del values[:]
    values.extend(kept)


def _is_4_bit(node: onnx.NodeProto) -> bool:
    return bool(node.op_type == "MatMulNBits" and _attribute(node, "bits").i == 4)


def _attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto:
    return next(attribute for attribute in node.attribute if attribute.name == name)
