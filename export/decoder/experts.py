"""Mixtures of experts as ONNX nodes: ONNX Runtime's QMoE, or MoE where weights are plain numbers.

Measured with ONNX Runtime 1.32 on the CPU: with weights in 4 or 8 bits a token's result is the
same alone and among others, and int8 activations cost what they cost in MatMulNBits. The kernels
want the rows of gate and up in turn, and divide the weights of the chosen experts by their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from export.decoder.blocks import BlockWeight, DenseWeight, Weight
from export.decoder.builder import CONTRIB, Attribute, GraphBuilder
from export.decoder.linear import linear
from export.decoder.parts import Experts
from export.decoder.writer import LayerWriter
from export.errors import ExportError

_INT8_ACTIVATIONS = 4
"""QMoE's `accuracy_level`, with the meaning that it has for MatMulNBits."""


def write_experts(
    graph: GraphBuilder, writer: LayerWriter, experts: Experts, layer: int, name: str, x: str
) -> str:
    """`x` `[B, S, hidden_size]` through the experts of `layer` that each token is sent to.

    Raises ExportError for weights in a form that the kernels do not take.
    """
    router = writer.plain_weight(experts.router, layer)
    bias = writer.bias(experts.router, layer)
    logits = linear(graph, f"{name}.router", x, [router], bias)
    rows = graph.integers(-1, len(experts.mlps))
    logits = graph.node("Reshape", [logits, rows], f"{name}.router.logits")
    attributes: dict[str, Attribute] = {
        "k": experts.num_active,
        "normalize_routing_weights": 1,
        "activation_type": "swiglu",
        "swiglu_fusion": 1,
        "activation_alpha": experts.steepness,
        "activation_beta": experts.up_offset,
    }
    if experts.limit is not None:
        attributes["swiglu_limit"] = experts.limit
    up_bias, down_bias = _biases(graph, writer, experts, layer, name)
    read = [[writer.weight(each, layer) for each in mlp.linears] for mlp in experts.mlps]
    blocks = _in_blocks([weight for weights in read for weight in weights])
    if not blocks:
        up, down = _plain_inputs(graph, name, read)
        return graph.node(
            "MoE",
            [x, logits, up, up_bias, down, down_bias],
            f"{name}.y",
            domain=CONTRIB,
            **attributes,
        )
    if graph.dtype != np.float32:
        # Other providers lay the codes out in ways of their own, which nothing here has tested.
        raise ExportError(
            "experts in 4 or 8 bits are for processors alone; choose --for cpu, or --precision fp16"
        )
    up, up_scales, up_zeros = _block_inputs(graph, f"{name}.gate_up", blocks[0::3], blocks[1::3])
    down, down_scales, down_zeros = _block_inputs(graph, f"{name}.down", blocks[2::3])
    inputs = [x, logits, up, up_scales, up_bias, down, down_scales, down_bias]
    if up_zeros:
        inputs += ["", "", "", up_zeros, down_zeros]
    return graph.node(
        "QMoE",
        inputs,
        f"{name}.y",
        domain=CONTRIB,
        expert_weight_bits=blocks[0].bits,
        block_size=blocks[0].block_size,
        accuracy_level=_INT8_ACTIVATIONS,
        **attributes,
    )


def _biases(
    graph: GraphBuilder, writer: LayerWriter, experts: Experts, layer: int, name: str
) -> tuple[str, str]:
    """Those of gate and up in turn, and of down, of all experts; "" where there are none."""
    read = [[writer.bias(each, layer) for each in mlp.linears] for mlp in experts.mlps]
    given = [[bias for bias in biases if bias is not None] for biases in read]
    if not any(given):
        return "", ""
    up = np.stack([_in_turn(gate, up) for gate, up, _ in given])
    down = np.stack([down for _, _, down in given])
    return graph.floats(f"{name}.gate_up.bias", up), graph.floats(f"{name}.down.bias", down)


def _plain_inputs(
    graph: GraphBuilder, name: str, read: Sequence[Sequence[Weight]]
) -> tuple[str, str]:
    values = [
        [weight.values.astype(graph.dtype) for weight in weights if isinstance(weight, DenseWeight)]
        for weights in read
    ]
    up = np.stack([_in_turn(gate, up) for gate, up, _ in values])
    down = np.stack([down for _, _, down in values])
    return (
        graph.floats(f"{name}.gate_up.weight", up),
        graph.floats(f"{name}.down.weight", down),
    )


def _block_inputs(
    graph: GraphBuilder, name: str, *parts: Sequence[BlockWeight]
) -> tuple[str, str, str]:
    """Codes, scales and zero points of all experts, the rows of the parts in turn."""
    each = list(zip(*parts, strict=True))
    codes = np.stack([_in_turn(*(_rows(part.codes) for part in expert)) for expert in each])
    scales = np.stack([_in_turn(*(part.scales for part in expert)) for expert in each])
    zeros = ""
    if parts[0][0].zero_points is not None:
        packed = [_in_turn(*map(_zero_points, expert)) for expert in each]
        zeros = graph.constant(f"{name}.zero_points", np.stack(packed))
    return (
        graph.constant(f"{name}.codes", codes),
        graph.floats(f"{name}.scales", scales),
        zeros,
    )


def _in_blocks(weights: Sequence[Weight]) -> list[BlockWeight]:
    """The weights in blocks of one size, none if all of them are plain numbers."""
    blocks = [weight for weight in weights if isinstance(weight, BlockWeight)]
    if not blocks:
        return []
    forms = {(each.bits, each.zero_points is None) for each in blocks}
    has_more = any(each.offsets is not None or each.order is not None for each in blocks)
    if len(blocks) < len(weights) or len(forms) > 1 or has_more:
        raise ExportError(
            "experts cannot be carried in the form that these are stored in; choose --precision "
            "int8 or int4"
        )
    size = min(each.block_size for each in blocks)
    return [_in_smaller_blocks(each, size) for each in blocks]


def _in_smaller_blocks(weight: BlockWeight, size: int) -> BlockWeight:
    """The same numbers; `size` divides that of the blocks."""
    repeats = weight.block_size // size
    zeros = weight.zero_points
    return replace(
        weight,
        block_size=size,
        codes=weight.codes.reshape(len(weight.codes), -1, size * weight.bits // 8),
        scales=np.repeat(weight.scales, repeats, axis=1),
        zero_points=None if zeros is None else np.repeat(zeros, repeats, axis=1),
    )


def _zero_points(weight: BlockWeight) -> NDArray[np.uint8]:
    """Those of 4 bits two in a byte, the low nibble first, each row beginning with a byte."""
    assert weight.zero_points is not None
    if weight.bits == 8:
        return weight.zero_points
    even = np.pad(weight.zero_points, ((0, 0), (0, weight.zero_points.shape[1] % 2)))
    packed: NDArray[np.uint8] = even[:, 0::2] | (even[:, 1::2] << np.uint8(4))
    return packed


def _rows(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return values.reshape(len(values), -1)


def _in_turn(*parts: NDArray[np.generic]) -> NDArray[np.generic]:
    """The first rows of all parts, then the second ones, and so on."""
    return np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
