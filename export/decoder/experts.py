"""Mixtures of experts as ONNX nodes: ONNX Runtime's QMoE, or MoE where weights are plain numbers.

Measured with ONNX Runtime 1.32 on the CPU: with weights in 4 or 8 bits a token's result is the
same alone and among others, and int8 activations cost what they cost in MatMulNBits. The kernels
want the rows of gate and up in turn, and divide the weights of the chosen experts by their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.decoder.blocks import BlockWeight, DenseWeight, Weight
from export.decoder.builder import CONTRIB, GraphBuilder
from export.decoder.linear import linear
from export.decoder.nibbles import pack_zero_points
from export.decoder.nodes import Attribute
from export.decoder.parts import Experts
from export.decoder.tensor_file import Stack
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
    form = _write_weights(graph, writer, experts, layer, name)
    if form is None:
        up, down = f"{name}.gate_up.weight", f"{name}.down.weight"
        return graph.node(
            "MoE",
            [x, logits, up, up_bias, down, down_bias],
            f"{name}.y",
            domain=CONTRIB,
            **attributes,
        )
    up, down = f"{name}.gate_up", f"{name}.down"
    inputs = [x, logits, f"{up}.codes", f"{up}.scales", up_bias]
    inputs += [f"{down}.codes", f"{down}.scales", down_bias]
    if form.has_zero_points:
        inputs += ["", "", "", f"{up}.zero_points", f"{down}.zero_points"]
    return graph.node(
        "QMoE",
        inputs,
        f"{name}.y",
        domain=CONTRIB,
        expert_weight_bits=form.bits,
        block_size=form.block_size,
        accuracy_level=_INT8_ACTIVATIONS,
        **attributes,
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """What all blocks of a layer's experts have to have in common."""

    bits: int
    block_size: int
    has_zero_points: bool


def _write_weights(
    graph: GraphBuilder, writer: LayerWriter, experts: Experts, layer: int, name: str
) -> _Form | None:
    """Those of one expert after the other, none of which is kept; None for plain numbers."""
    forms: set[_Form | None] = set()
    stacks: dict[str, Stack] = {}
    for index, mlp in enumerate(experts.mlps):
        form, parts = _parts([writer.weight(each, layer) for each in mlp.linears], graph)
        forms.add(form)
        if len(forms) > 1:
            raise _not_carried()
        for part, values in parts.items():
            if part not in stacks:
                stacks[part] = graph.stack(f"{name}.{part}", len(experts.mlps), values)
            stacks[part].write(index, values)
    return forms.pop()


def _parts(
    weights: Sequence[Weight], graph: GraphBuilder
) -> tuple[_Form | None, dict[str, NDArray[np.generic]]]:
    """The form of gate, up and down of an expert, and what the kernel takes of it, by name."""
    blocks = _in_blocks(weights)
    if not blocks:
        plain = [
            each.values.astype(graph.dtype) for each in weights if isinstance(each, DenseWeight)
        ]
        return None, {"gate_up.weight": _in_turn(*plain[:2]), "down.weight": plain[2]}
    if graph.dtype != np.float32:
        # Other providers lay the codes out in ways of their own, which nothing here has tested.
        raise ExportError(
            "experts in 4 or 8 bits are for processors alone; choose --for cpu, or --precision fp16"
        )
    parts: dict[str, NDArray[np.generic]] = {}
    for kind, rows in {"gate_up": blocks[:2], "down": blocks[2:]}.items():
        parts[f"{kind}.codes"] = _in_turn(*(_rows(each.codes) for each in rows))
        parts[f"{kind}.scales"] = _in_turn(*(each.scales for each in rows))
        if rows[0].zero_points is not None:
            parts[f"{kind}.zero_points"] = _in_turn(*map(_zero_points, rows))
    first = blocks[0]
    return _Form(first.bits, first.block_size, first.zero_points is not None), parts


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


def _in_blocks(weights: Sequence[Weight]) -> list[BlockWeight]:
    """The weights in blocks of one size, none if all of them are plain numbers."""
    blocks = [weight for weight in weights if isinstance(weight, BlockWeight)]
    if not blocks:
        return []
    forms = {(each.bits, each.zero_points is None) for each in blocks}
    has_more = any(each.offsets is not None or each.order is not None for each in blocks)
    if len(blocks) < len(weights) or len(forms) > 1 or has_more:
        raise _not_carried()
    size = min(each.block_size for each in blocks)
    return [_in_smaller_blocks(each, size) for each in blocks]


def _not_carried() -> ExportError:
    return ExportError(
        "experts cannot be carried in the form that these are stored in; choose --precision int8 "
        "or int4"
    )


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
    return weight.zero_points if weight.bits == 8 else pack_zero_points(weight.zero_points)


def _rows(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return values.reshape(len(values), -1)


def _in_turn(*parts: NDArray[np.generic]) -> NDArray[np.generic]:
    """The first rows of all parts, then the second ones, and so on."""
    return np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
