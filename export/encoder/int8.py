"""An encoder's linears in int8 arithmetic.

Weights are quantised to 7 bits per output channel and activations per token, both symmetric, as in
a decoder's int8 prefill graph, whose reasons hold here too: the result is the same on processors
with and without VNNI, and that of a token depends on no other in its batch. Embeddings, norms,
attention and heads stay in float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.decoder.builder import CONTRIB

_MIDDLE_CODE = 128
_LARGEST_ACTIVATION = 127
_LARGEST_WEIGHT = 63
_SMALLEST_SCALE = 1e-10


def quantize_linears(model: onnx.ModelProto) -> int:
    """Replaces the products with constant matrices in `model`; returns how many there were."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer if _is_matrix(tensor)}
    linears = [node for node in graph.node if _is_linear(node, weights)]
    replaced = {node.output[0] for node in linears}
    rows_of: dict[str, tuple[str, str]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.output[0] in replaced:
            nodes += _quantized(node, rows_of)
        else:
            nodes.append(node)
    used = {name: weights[name] for name in dict.fromkeys(node.input[1] for node in linears)}
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [tensor for tensor in graph.initializer if tensor.name not in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *_constants(), *_codes(used)])
    if not any(opset.domain == CONTRIB for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    return len(linears)


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2


def _is_linear(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    return node.op_type == "MatMul" and node.input[1] in weights and node.input[0] not in weights


def _quantized(
    node: onnx.NodeProto, rows_of: dict[str, tuple[str, str]]
) -> Iterator[onnx.NodeProto]:
    """The nodes in place of `node`; what several read is quantised once."""
    x, weight = node.input
    if x not in rows_of:
        rows_of[x] = (f"{x}.codes", f"{x}.scale")
        yield from _quantize_rows(x)
    codes, scale = rows_of[x]
    product = f"{node.output[0]}.product"
    yield helper.make_node(
        "MatMulIntegerToFloat",
        [codes, f"{weight}.int8", "int8.one", f"{weight}.scales", "int8.middle"],
        [product],
        domain=CONTRIB,
    )
    yield helper.make_node("Mul", [product, scale], list(node.output))


def _quantize_rows(x: str) -> Iterator[onnx.NodeProto]:
    """`x` `[B, S, K]` in uint8 around `_MIDDLE_CODE`, with a scale per token `[B, S, 1]`."""
    magnitudes, largest, raw = f"{x}.magnitudes", f"{x}.largest", f"{x}.raw_scale"
    yield helper.make_node("Abs", [x], [magnitudes])
    yield helper.make_node("ReduceMax", [magnitudes, "int8.last_axis"], [largest], keepdims=1)
    yield helper.make_node("Mul", [largest, "int8.step"], [raw])
    yield helper.make_node("Max", [raw, "int8.smallest"], [f"{x}.scale"])
    yield helper.make_node("Div", [x, f"{x}.scale"], [f"{x}.scaled"])
    inputs = [f"{x}.scaled", "int8.one", "int8.middle"]
    yield helper.make_node("QuantizeLinear", inputs, [f"{x}.codes"])


def _constants() -> list[onnx.TensorProto]:
    values: dict[str, NDArray[np.generic]] = {
        "int8.one": np.ones((), np.float32),
        "int8.middle": np.array(_MIDDLE_CODE, np.uint8),
        "int8.step": np.array(1 / _LARGEST_ACTIVATION, np.float32),
        "int8.smallest": np.array(_SMALLEST_SCALE, np.float32),
        "int8.last_axis": np.array([-1], np.int64),
    }
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def _codes(weights: dict[str, onnx.TensorProto]) -> Iterator[onnx.TensorProto]:
    """Each matrix `[K, N]` as int8 and its scales `[N]`."""
    for name, tensor in weights.items():
        matrix = numpy_helper.to_array(tensor)
        scales = np.maximum(np.abs(matrix).max(0) / _LARGEST_WEIGHT, _SMALLEST_SCALE)
        codes = np.rint(matrix / scales).astype(np.int8)
        yield numpy_helper.from_array(codes, f"{name}.int8")
        yield numpy_helper.from_array(scales.astype(np.float32), f"{name}.scales")
