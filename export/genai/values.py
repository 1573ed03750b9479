"""The named values of an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx


def type_of(value: onnx.ValueInfoProto) -> int:
    """The element type of a tensor, 0 for what is none."""
    elem_type: int = value.type.tensor_type.elem_type
    return elem_type


def rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Gives the values of `graph` new names, wherever its nodes and their branches use them."""
    for node in all_nodes(graph):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    # What was inferred of the old names helps nobody.
    del graph.value_info[:]


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the branches inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g)
