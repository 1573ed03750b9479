"""The element type of every value of a graph, told from the signatures of its operators."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx
from onnx import TensorProto, helper

from export.operators.kernels import Kernels, Operator, signature

NAMES: dict[int, str] = {
    TensorProto.FLOAT: "f32",
    TensorProto.FLOAT16: "f16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.INT8: "i8",
    TensorProto.UINT8: "u8",
    TensorProto.INT32: "i32",
    TensorProto.INT64: "i64",
    TensorProto.BOOL: "bool",
}
"""Element types as the table of kernels writes them."""

UNKNOWN = "?"
"""The type of a value that comes out of an operator which the table does not know."""


def name_of(node: onnx.NodeProto) -> str:
    """A node's operator as the table calls it."""
    return f"{node.domain or 'ai.onnx'}.{node.op_type}"


@dataclass(frozen=True, slots=True)
class ValueTypes:
    """Types by the names of values; nodes have to be added in the order in which they run."""

    kernels: Kernels
    _types: dict[str, str] = field(default_factory=dict)

    def declare(self, graph: onnx.GraphProto) -> None:
        """Adds the inputs and constants of `graph`."""
        for value in graph.input:
            self._types[value.name] = NAMES.get(value.type.tensor_type.elem_type, UNKNOWN)
        for tensor in graph.initializer:
            self._types[tensor.name] = NAMES.get(tensor.data_type, UNKNOWN)

    def bind(self, node: onnx.NodeProto) -> dict[str, str]:
        """What the letters of the node's signature stand for; its outputs are typed by them."""
        operator = self.kernels.operators.get(name_of(node))
        if operator is None:
            self._types.update((output, UNKNOWN) for output in node.output)
            return {}
        bound = self._letters(node, operator)
        letters = signature(operator.outputs, len(node.output))
        for output, letter in zip(node.output, letters, strict=False):
            self._types[output] = bound.get(letter, letter if _is_type(letter) else UNKNOWN)
        return bound

    def _letters(self, node: onnx.NodeProto, operator: Operator) -> dict[str, str]:
        letters = signature(operator.inputs, len(node.input))
        bound: dict[str, str] = {}
        for name, letter in zip(node.input, letters, strict=False):
            if name and not _is_type(letter):
                bound.setdefault(letter, self._types.get(name, UNKNOWN))
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                bound["T2"] = NAMES.get(attribute.i, UNKNOWN)
        return bound


def _is_type(letter: str) -> bool:
    return letter in NAMES.values()


def type_name(letter: str) -> str:
    """ONNX's own name of a type that the table abbreviates."""
    numbers = {name: number for number, name in NAMES.items()}
    if letter not in numbers:
        return "an unknown type"
    return str(helper.tensor_dtype_to_np_dtype(numbers[letter]).name)
