"""Nodes that a provider has no kernel for are named, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import pytest
from onnx import TensorProto, helper

from export.errors import ExportError
from export.operators.check import find_fallbacks, require_kernels
from export.operators.kernels import ProviderName

GQA = "GroupQueryAttention"


def _model(
    node: onnx.NodeProto, types: Sequence[int], opset: int = 21, *more: onnx.NodeProto
) -> onnx.ModelProto:
    """The node alone, its inputs being of `types`."""
    named = [name for name in node.input if name]
    inputs = [
        helper.make_tensor_value_info(name, dtype, None)
        for name, dtype in zip(named, types, strict=True)
    ]
    graph = helper.make_graph([node, *more], "test", inputs, [])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def _contrib(op: str, inputs: Sequence[str], **attributes: float) -> onnx.NodeProto:
    return helper.make_node(op, inputs, ["y"], name="node", domain="com.microsoft", **attributes)


HALF, FLOAT, BYTES = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.UINT8
INT32, INT64 = TensorProto.INT32, TensorProto.INT64

ATTENTION = [HALF] * 5 + [INT32] * 2
NAMES = [f"i{index}" for index in range(7)]

CASES: dict[str, tuple[onnx.ModelProto, ProviderName, str | None]] = {
    "a type without a kernel": (
        _model(helper.make_node("Mul", ["a", "b"], ["y"], name="node"), [HALF, HALF]),
        "cpu",
        "no kernel there for T = float16",
    ),
    "the same where there is one": (
        _model(helper.make_node("Mul", ["a", "b"], ["y"]), [HALF, HALF]),
        "directml",
        None,
    ),
    "bfloat16 on DirectML": (
        _model(helper.make_node("Cast", ["a"], ["y"], to=HALF), [TensorProto.BFLOAT16]),
        "directml",
        "no kernel there for T1 = bfloat16",
    ),
    "an operator that is missing": (
        _model(_contrib("GatherBlockQuantized", ["t", "i", "s"]), [BYTES, INT64, HALF]),
        "directml",
        "it has no kernel there",
    ),
    "an operator nobody knows": (
        _model(_contrib("Nonsense", ["a"]), [HALF]),
        "cuda",
        "the table of kernels does not know it",
    ),
    "a version that the table is not of": (
        _model(helper.make_node("Reshape", ["a", "s"], ["y"]), [HALF, INT64], 14),
        "cuda",
        "the table of kernels knows version 21 of it, not 14",
    ),
    "float32 attention on CUDA": (
        _model(_contrib(GQA, NAMES, num_heads=4), [FLOAT] * 5 + [INT32] * 2),
        "cuda",
        "no kernel there for T = float32",
    ),
    "packed attention on DirectML": (
        _model(_contrib(GQA, ["i0", "", "", *NAMES[3:]], num_heads=4), [HALF] * 3 + [INT32] * 2),
        "directml",
        "its kernel there wants input 1",
    ),
    "rotating attention on DirectML": (
        _model(_contrib(GQA, NAMES, do_rotary=1), ATTENTION),
        "directml",
        "its kernel there does not know do_rotary = 1",
    ),
    "a sliding window on DirectML": (
        _model(_contrib(GQA, NAMES, local_window_size=128), ATTENTION),
        "directml",
        "its kernel there does not know local_window_size = 128",
    ),
    "a cap on DirectML": (
        _model(_contrib(GQA, NAMES, softcap=50.0), ATTENTION),
        "directml",
        "its kernel there does not know softcap = 50",
    ),
    "no window, said so": (
        _model(_contrib(GQA, NAMES, local_window_size=-1, softcap=0.0), ATTENTION),
        "directml",
        None,
    ),
    "a further input on DirectML": (
        _model(_contrib(GQA, [*NAMES, "cos"]), [*ATTENTION, HALF]),
        "directml",
        "its kernel there does not know input 7",
    ),
    "codes without a zero point on DirectML": (
        _model(_contrib("MatMulNBits", ["a", "b", "s"], bits=4), [HALF, BYTES, HALF]),
        "directml",
        "its kernel there wants input 3",
    ),
    "a type that came out of another node": (
        _model(
            helper.make_node("Cast", ["a"], ["half"], to=HALF),
            [FLOAT],
            21,
            helper.make_node("Tanh", ["half"], ["y"], name="node"),
        ),
        "cpu",
        "no kernel there for T = float16",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_would_fall_back_is_named_with_the_reason(case: str) -> None:
    model, provider, reason = CASES[case]
    assert [fallback.reason for fallback in find_fallbacks(model, provider)] == (
        [] if reason is None else [reason]
    )


def test_an_error_names_nodes_and_counts_the_rest() -> None:
    nodes = [helper.make_node("Tanh", ["a"], [f"y{i}"], name=f"node {i}") for i in range(7)]
    model = _model(nodes[0], [HALF], 21, *nodes[1:])
    with pytest.raises(ExportError) as caught:
        require_kernels(model, "cpu")
    message = str(caught.value)
    assert message.startswith("cpu cannot run all of this model")
    assert [f"node {i} (ai.onnx.Tanh: no kernel" in message for i in range(5)] == [
        *[True] * 4,
        False,
    ]
    assert message.endswith("; and 3 more")


def test_a_graph_that_runs_is_let_through() -> None:
    require_kernels(_model(helper.make_node("Tanh", ["a"], ["y"]), [HALF]), "cuda")
