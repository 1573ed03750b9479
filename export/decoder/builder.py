"""Writes ONNX nodes as function calls: each takes and returns the names of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from export.decoder.nodes import NodeWriter
from export.decoder.tensor_file import Stack, TensorFile, view_of

CONTRIB = "com.microsoft"
"""The domain of ONNX Runtime's own operators (its docs/ContribOperators.md)."""

OPSET = 21
IR_VERSION = 10

Dim = int | str


class GraphBuilder(NodeWriter):
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
        super().__init__()
        self.dtype = dtype
        self.float_type: int = helper.np_dtype_to_tensor_dtype(dtype)
        self._tensors = tensors
        self._shared = shared or {}
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
