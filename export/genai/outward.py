"""Our decoder's graph with the inputs and outputs that onnxruntime-genai knows.

It feeds `attention_mask` (int64 `[B, T]`, 1 for every token so far) where ours takes lengths, and
wants the logits behind all new tokens, float `[B, S, vocab_size]`. In between nothing changes, so
that both graphs use the same weights, from the same file.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from export.genai.fragment import Fragment

_LENGTHS = ("seqlens_k", "total_sequence_length", "logits_indices")
_ROWS = "logits.rows"


def to_genai(decoder: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `decoder` for onnxruntime-genai; its external data is the same."""
    model = onnx.ModelProto()
    model.CopyFrom(decoder)
    graph = model.graph
    outer = Fragment("genai")
    _write_lengths(outer)
    num_before = len(outer.nodes)
    vocab_size = _take_logits(graph)
    shape = outer.node(
        "Concat", [outer.node("Shape", ["input_ids"]), outer.vector(vocab_size)], axis=0
    )
    outer.node("Reshape", [_ROWS, shape], "logits")
    outer.surround(graph, num_before, list(graph.node))
    inputs = [value for value in graph.input if value.name not in _LENGTHS]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.input.append(
        helper.make_tensor_value_info(
            "attention_mask", TensorProto.INT64, ["batch", "total_sequence"]
        )
    )
    return model


def _write_lengths(outer: Fragment) -> None:
    """The inputs that there are no more, from the mask and the number of new tokens."""
    length = outer.node("ReduceSum", ["attention_mask", outer.vector(1)], keepdims=0)
    last = outer.node("Sub", [length, outer.scalar(1)])
    outer.node("Cast", [last], "seqlens_k", to=TensorProto.INT32)
    total = outer.node("Squeeze", [outer.node("Shape", ["attention_mask"], start=1, end=2)])
    outer.node("Cast", [total], "total_sequence_length", to=TensorProto.INT32)
    count = outer.node("Size", ["input_ids"])
    outer.node("Range", [outer.scalar(0), count, outer.scalar(1)], "logits_indices")


def _take_logits(graph: onnx.GraphProto) -> int:
    """Renames our logits and declares genai's; returns the size of the vocabulary."""
    for node in graph.node:
        for i, name in enumerate(node.output):
            node.output[i] = _ROWS if name == "logits" else name
    logits = next(output for output in graph.output if output.name == "logits")
    vocab_size: int = logits.type.tensor_type.shape.dim[1].dim_value
    logits.CopyFrom(
        helper.make_tensor_value_info(
            "logits", TensorProto.FLOAT, ["batch", "sequence", vocab_size]
        )
    )
    return vocab_size
