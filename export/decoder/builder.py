"""Writes ONNX nodes as function calls: each takes and returns the names of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from export.decoder.tensor_file import Stack, TensorFile, view_of

CONTRIB = "com.microsoft"
"""The domain of ONNX Runtime's own operators (its docs/ContribOperators.md)."""

OPSET = 21
IR_VERSION = 10

Dim = int | str
Attribute = int | float | str


class GraphBuilder:
    """Collects the nodes, constants, inputs and outputs of one graph.

    A node is named after its first output; a name is used once.
    """

    def __init__(
        self,
        tensors: TensorFile,
        dtype: np.dtype[np.floating],
        shared: Mapping[str, onnx.TensorProto] | None = None,
    ) -> None:
        """Activations are of `dtype`. `shared` are constants of another graph beside this one."""
        self.dtype = dtype
        self.float_type: int = helper.np_dtype_to_tensor_dtype(dtype)
        self._tensors = tensors
        self._shared = shared or {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: int, shape: Sequence[Dim]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str, dtype: int, shape: Sequence[Dim]) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def constant(self, name: str, value: NDArray[np.generic], *, same_as: str = "") -> str:
        """An initializer; asking for a name again gives the first one.

        If there is a constant `same_as`, its bytes serve again under the shape of `value`.
        """
        if name not in self._initializers:
            self._initializers[name] = self._store(name, value, self._initializers.get(same_as))
        return name

    def floats(self, name: str, value: NDArray[np.floating]) -> str:
        """A constant that takes part in the arithmetic, in the type of the activations."""
        return self.constant(name, value.astype(self.dtype, copy=False))

    def stack(self, name: str, count: int, part: NDArray[np.generic]) -> Stack:
        """A constant of `count` parts like `part`, which the caller writes one by one."""
        assert name not in self._initializers
        stack = self._tensors.stack(name, count, part.dtype, part.shape)
        self._initializers[name] = stack.proto
        return stack

    def integers(self, *values: int) -> str:
        """An int64 vector."""
        return self.constant(f"int64_{'_'.join(map(str, values))}", np.array(values, np.int64))

    def node(
        self, op: str, inputs: Sequence[str], output: str, *, domain: str = "", **attrs: Attribute
    ) -> str:
        """A node with one output; "" stands for an optional input that is left out."""
        self.nodes(op, inputs, [output], domain=domain, **attrs)
        return output

    def nodes(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        domain: str = "",
        **attrs: Attribute,
    ) -> None:
        """A node with several outputs; "" stands for one that is not wanted."""
        name = next(output for output in outputs if output)
        self._nodes.append(
            helper.make_node(op, inputs, outputs, name=f"{name}/{op}", domain=domain, **attrs)
        )

    def _store(
        self, name: str, value: NDArray[np.generic], twin: onnx.TensorProto | None
    ) -> onnx.TensorProto:
        if twin is not None:
            return view_of(twin, name, value.shape)
        shared = self._shared.get(name)
        return self._tensors.add(name, value) if shared is None else shared

    def model(self, name: str) -> onnx.ModelProto:
        """The finished model, its external data not included."""
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, list(self._initializers.values())
        )
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            producer_name="retort",
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
        )


def initializers(model: onnx.ModelProto, *prefixes: str) -> dict[str, onnx.TensorProto]:
    """The constants of `model` whose names begin so, by name."""
    return {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.name.startswith(prefixes)
    }


FLOAT = TensorProto.FLOAT
INT32 = TensorProto.INT32
INT64 = TensorProto.INT64
