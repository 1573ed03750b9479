"""A decoder in onnxruntime-genai's layout, with the inputs and outputs that our runner knows.

The runner feeds lengths (see `export/decoder/graph.py`); the attention mask and the positions
that the graph asks for are computed from them in front of it, and the hidden states are reduced
to the wanted ones before its head. All other nodes stay as they are, and so do the weights, which
stay in their own files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.genai.config import Decoder
from export.genai.fragment import Fragment
from export.genai.values import rename, type_of

_CONTRACT = {
    "seqlens_k": (TensorProto.INT32, ["batch"]),
    "total_sequence_length": (TensorProto.INT32, []),
    "logits_indices": (TensorProto.INT64, ["num_logits"]),
    "input_ids": (TensorProto.INT64, ["batch", "sequence"]),
}
_OWN_IDS, _OWN_LOGITS = "input_ids.own", "logits.own"
_ELEMENTWISE = frozenset({"Cast", "Div", "Identity", "Mul", "Tanh"})
"""What heads do to logits after the product."""

_PRODUCTS = frozenset({"MatMul", "MatMulNBits"})


def from_genai(original: onnx.ModelProto, decoder: Decoder) -> onnx.ModelProto:
    """A copy of `original`, which `require_servable` has passed, for our runner."""
    model = onnx.ModelProto()
    model.CopyFrom(original)
    graph = model.graph
    types = {value.name: type_of(value) for value in (*graph.input, *graph.output)}
    rename(graph, _new_names(decoder))
    outer = Fragment("retort")
    _write_inputs(outer, decoder, types)
    num_before = len(outer.nodes)
    nodes = _gather_wanted(outer, list(graph.node), _OWN_LOGITS)
    rows = outer.nodes[num_before:]
    del outer.nodes[num_before:]
    outer.node("Cast", [_OWN_LOGITS], "logits", to=TensorProto.FLOAT)
    outer.surround(graph, num_before, _placed(nodes, rows))
    _declare(graph, decoder, types)
    return model


def _new_names(decoder: Decoder) -> dict[str, str]:
    inputs, outputs = decoder.inputs, decoder.outputs
    names = {name: f"{name}.own" for name in _CONTRACT}
    names |= {inputs.input_ids: _OWN_IDS, outputs.logits: _OWN_LOGITS}
    for i in range(decoder.num_hidden_layers):
        names[inputs.past_key_names % i] = f"past_key_values.{i}.key"
        names[inputs.past_value_names % i] = f"past_key_values.{i}.value"
        names[outputs.present_key_names % i] = f"present.{i}.key"
        names[outputs.present_value_names % i] = f"present.{i}.value"
    return names


def _write_inputs(outer: Fragment, decoder: Decoder, types: dict[str, int]) -> None:
    """The inputs the graph had: its token ids, its mask and its positions, where it has them."""
    inputs = decoder.inputs
    outer.node("Cast", ["input_ids"], _OWN_IDS, to=types[inputs.input_ids])
    last = outer.node("Unsqueeze", ["seqlens_k", outer.vector(1)])
    zero, one = outer.scalar(0, np.int32), outer.scalar(1, np.int32)
    if inputs.attention_mask in types:
        places = outer.node("Range", [zero, "total_sequence_length", one])
        held = outer.node("LessOrEqual", [places, last])
        outer.node("Cast", [held], inputs.attention_mask, to=types[inputs.attention_mask])
    if inputs.position_ids in types:
        count = outer.node("Squeeze", [outer.node("Shape", ["input_ids"], start=1, end=2)])
        count = outer.node("Cast", [count], to=TensorProto.INT32)
        steps = outer.node("Range", [outer.node("Sub", [one, count]), one, one])
        positions = outer.node("Add", [last, steps])
        outer.node("Cast", [positions], inputs.position_ids, to=types[inputs.position_ids])


def _gather_wanted(
    outer: Fragment, nodes: list[onnx.NodeProto], logits: str
) -> list[onnx.NodeProto]:
    """Has the head see the wanted hidden states `[n, hidden_size]` alone; returns the nodes.

    A head that is not a product of hidden states and weights gives its logits first.
    """
    producers = {output: node for node in nodes for output in node.output}
    name = logits
    while (node := producers.get(name)) is not None and node.op_type in _ELEMENTWISE:
        name = node.input[0]
    if node is not None and node.op_type in _PRODUCTS:
        node.input[0] = _rows(outer, node.input[0])
        return nodes
    last = producers[logits]
    place = list(last.output).index(logits)
    last.output[place] = f"{logits}.all"
    _rows(outer, last.output[place], logits)
    return nodes


def _rows(outer: Fragment, values: str, output: str = "") -> str:
    """The rows of `values` `[B, S, features]` at `logits_indices`, as `[n, features]`."""
    flat = outer.node("Flatten", [values], axis=2)
    return outer.node("Gather", [flat, "logits_indices"], output, axis=0)


def _placed(nodes: list[onnx.NodeProto], rows: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """`nodes` with `rows` behind the one whose output they take."""
    source = rows[0].input[0]
    behind = next(i for i, node in enumerate(nodes) if source in node.output) + 1
    return [*nodes[:behind], *rows, *nodes[behind:]]


def _declare(graph: onnx.GraphProto, decoder: Decoder, types: dict[str, int]) -> None:
    """The inputs and outputs, as a package's decoder has them."""
    del graph.input[:], graph.output[:]
    graph.input.extend(
        helper.make_tensor_value_info(name, dtype, shape)
        for name, (dtype, shape) in _CONTRACT.items()
    )
    kv_type = types[decoder.inputs.past_key_names % 0]
    shape = ["batch", decoder.num_key_value_heads, "slot_length", decoder.head_size]
    for i in range(decoder.num_hidden_layers):
        for kind in ("key", "value"):
            past, present = f"past_key_values.{i}.{kind}", f"present.{i}.{kind}"
            graph.input.append(helper.make_tensor_value_info(past, kv_type, shape))
            graph.output.append(helper.make_tensor_value_info(present, kv_type, shape))
    graph.output.append(
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["num_logits", "vocab_size"])
    )
