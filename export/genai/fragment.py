"""Nodes that are put around an existing graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


@dataclass(frozen=True, slots=True)
class Fragment:
    """Nodes and constants in the order they are met, with names that begin with `prefix`."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def node(
        self, op: str, inputs: Sequence[str], output: str = "", **attrs: int | Sequence[int]
    ) -> str:
        """A node of ONNX's own operators; without an `output` its value gets a name by itself."""
        output = output or f"{self.prefix}.{op.lower()}.{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=f"{self.prefix}/{output}", **attrs)
        )
        return output

    def scalar(self, value: int, dtype: type[np.integer] = np.int64) -> str:
        return self._constant(np.array(value, dtype))

    def vector(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def _constant(self, value: NDArray[np.integer]) -> str:
        shape = "x".join(map(str, value.shape))
        numbers = "_".join(map(str, value.reshape(-1).tolist()))
        name = f"{self.prefix}.{value.dtype}[{shape}].{numbers}"
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def surround(
        self, graph: onnx.GraphProto, before: int, nodes: Sequence[onnx.NodeProto]
    ) -> None:
        """Gives `graph` the fragment's first `before` nodes, `nodes`, and the rest, in this order.

        It gets the constants too.
        """
        ordered = [*self.nodes[:before], *nodes, *self.nodes[before:]]
        del graph.node[:]
        graph.node.extend(ordered)
        graph.initializer.extend(self.constants.values())
