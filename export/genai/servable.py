"""Which graphs in onnxruntime-genai's layout our runner can serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
from onnx import TensorProto

from export.checkpoints.json_file import one_line
from export.errors import ExportError
from export.genai.config import Decoder
from export.genai.values import all_nodes, type_of
from service.store.manifest import KvDtype

_ATTENTION = "GroupQueryAttention"
"""The one operator that writes new keys and values into the memory of the past."""

_KV_PLACES = {"key": (3, 1), "value": (4, 2)}
"""Which of its inputs is the past and which of its outputs the present."""

KV_DTYPES: dict[int, KvDtype] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
_WHOLE_NUMBERS = frozenset({TensorProto.INT32, TensorProto.INT64})
_LOGITS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16})


def require_servable(model: onnx.ModelProto, decoder: Decoder, name: str) -> None:
    """Raises ExportError, saying of which part of the graph `name` it is about and why."""
    reason = (
        _wrong_inputs(model.graph, decoder)
        or _wrong_outputs(model.graph, decoder)
        or _wrong_attention(model.graph, decoder)
        or _wrong_files(model.graph)
    )
    if reason:
        raise ExportError(f"{name} cannot be served: {reason}")


def external_files(graph: onnx.GraphProto) -> set[str]:
    """The files beside the graph that hold its weights."""
    return {
        entry.value
        for tensor in graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _pasts(decoder: Decoder) -> dict[str, tuple[int, str]]:
    """Of each input for the past its layer and kind."""
    patterns = {"key": decoder.inputs.past_key_names, "value": decoder.inputs.past_value_names}
    return {
        pattern % i: (i, kind)
        for kind, pattern in patterns.items()
        for i in range(decoder.num_hidden_layers)
    }


def _presents(decoder: Decoder) -> dict[tuple[int, str], str]:
    outputs = decoder.outputs
    patterns = {"key": outputs.present_key_names, "value": outputs.present_value_names}
    return {
        (i, kind): pattern % i
        for kind, pattern in patterns.items()
        for i in range(decoder.num_hidden_layers)
    }


def _wrong_inputs(graph: onnx.GraphProto, decoder: Decoder) -> str | None:
    constants = {tensor.name for tensor in graph.initializer}
    types = {v.name: type_of(v) for v in graph.input if v.name not in constants}
    inputs, pasts = decoder.inputs, _pasts(decoder)
    numbers = {inputs.input_ids, inputs.attention_mask, inputs.position_ids}
    if unknown := types.keys() - numbers - pasts.keys():
        return f"it has the input {_shown(unknown)}, which nothing is known to feed"
    if missing := {inputs.input_ids, *pasts} - types.keys():
        return f"it has no input {_shown(missing)}"
    if wrong := {n for n in numbers & types.keys() if types[n] not in _WHOLE_NUMBERS}:
        return f"its input {_shown(wrong)} is neither int32 nor int64"
    kv_types = {types[name] for name in pasts}
    if len(kv_types) > 1 or not kv_types <= KV_DTYPES.keys():
        kinds = ", ".join(sorted(TensorProto.DataType.Name(kind).lower() for kind in kv_types))
        return f"its keys and values are of {kinds}; supported are float and float16"
    return _wrong_shapes(graph, decoder, pasts)


def _wrong_shapes(
    graph: onnx.GraphProto, decoder: Decoder, pasts: Mapping[str, tuple[int, str]]
) -> str | None:
    """Sizes that a graph does not say (symbols) are taken from its config."""
    expected = (decoder.num_key_value_heads, decoder.head_size)
    for value in graph.input:
        if value.name not in pasts:
            continue
        dims = value.type.tensor_type.shape.dim
        if len(dims) != 4:
            return f"its input {_shown([value.name])} has {len(dims)} dimensions instead of 4"
        said = (dims[1].dim_value, dims[3].dim_value)
        if any(size not in (0, wanted) for size, wanted in zip(said, expected, strict=True)):
            return (
                f"its input {_shown([value.name])} is for {said[0]} heads of {said[1]}, where its "
                f"config says {expected[0]} of {expected[1]} for all layers"
            )
    return None


def _wrong_outputs(graph: onnx.GraphProto, decoder: Decoder) -> str | None:
    types = {value.name: type_of(value) for value in graph.output}
    logits = decoder.outputs.logits
    if missing := {logits, *_presents(decoder).values()} - types.keys():
        return f"it has no output {_shown(missing)}"
    if types[logits] not in _LOGITS:
        return f"its output {_shown([logits])} is no floating-point number"
    return None


def _wrong_attention(graph: onnx.GraphProto, decoder: Decoder) -> str | None:
    """Every past has to go into the right place of an attention, and nowhere else."""
    pasts, presents = _pasts(decoder), _presents(decoder)
    seen: set[str] = set()
    for node in all_nodes(graph):
        for place, name in enumerate(node.input):
            if name not in pasts:
                continue
            layer, kind = pasts[name]
            if node.op_type != _ATTENTION or place != _KV_PLACES[kind][0]:
                return (
                    f"{_shown([name])} goes into {_shown([node.op_type])}; only {_ATTENTION} "
                    "writes new keys and values in place, which serving needs"
                )
            out = _KV_PLACES[kind][1]
            if len(node.output) <= out or node.output[out] != presents[layer, kind]:
                return f"{_shown([presents[layer, kind]])} is not what {_shown([name])} becomes"
            seen.add(name)
    if unused := pasts.keys() - seen:
        return f"nothing reads its input {_shown(unused)}"
    return None


def _wrong_files(graph: onnx.GraphProto) -> str | None:
    """Weights lie beside their graph: nothing outside its folder is ever read."""
    if elsewhere := {name for name in external_files(graph) if set(name) & set("/\\:")}:
        return f"its weights are in {_shown(elsewhere)}, outside its folder"
    return None


def _shown(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = ", ".join(repr(one_line(name, 60)) for name in ordered[:3])
    return shown if len(ordered) <= 3 else f"{shown} and {len(ordered) - 3} more"
