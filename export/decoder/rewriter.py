"""Replaces nodes of a finished graph by others, one rule per operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from export.decoder.nodes import Attribute, NodeWriter
from export.decoder.tensor_file import TensorFile


class Rewriter(NodeWriter):
    """A graph whose nodes are gone through once; new constants go to the graph's `tensors`."""

    def __init__(self, graph: onnx.GraphProto, tensors: TensorFile) -> None:
        super().__init__()
        self._graph = graph
        self._tensors = tensors
        self._shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}

    def run(self, rules: Mapping[str, Callable[[onnx.NodeProto], None]]) -> None:
        """Lets the rule of each node's operator write what replaces it; others stay."""
        old = list(self._graph.node)
        for node in old:
            rules.get(node.op_type, self.keep)(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        self._drop_unused_constants()

    def keep(self, node: onnx.NodeProto) -> None:
        self._nodes.append(node)

    def shape(self, constant: str) -> tuple[int, ...]:
        """The shape of a constant."""
        return self._shapes[constant]

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """A constant; asking for a name again gives the first one."""
        if name not in self._shapes:
            self._graph.initializer.append(self._tensors.add(name, value))
            self._shapes[name] = value.shape
        return name

    def _drop_unused_constants(self) -> None:
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)


def attributes_of(node: onnx.NodeProto) -> dict[str, Attribute]:
    """A node's numbers and texts by name."""
    values = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }
