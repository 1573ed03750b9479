"""Linear layers and embeddings: a weight's form decides the nodes that compute with it.

Values have any axes before the last, which is the features'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from ml_dtypes import bfloat16
from numpy.typing import NDArray

from export.decoder.blocks import BlockWeight, DenseWeight, Weight, stack
from export.decoder.builder import CONTRIB, GraphBuilder
from export.decoder.nibbles import pack_zero_points
from export.decoder.offset_blocks import OffsetBlocks, summing

_INT8_ACTIVATIONS = 4
"""MatMulNBits' `accuracy_level` under which the CPU kernels multiply in int8: the fast ones."""


def linear(
    graph: GraphBuilder,
    name: str,
    x: str,
    weights: Sequence[Weight],
    bias: NDArray[np.float32] | None = None,
) -> str:
    """`x @ concat(weights).T + bias`; weights of one form are multiplied as one matrix."""
    groups = [_merge(list(same)) for _, same in groupby(weights, key=_form)]
    if len(groups) == 1:
        y = _multiply(graph, name, x, groups[0])
    else:
        parts = [_multiply(graph, f"{name}.{i}", x, group) for i, group in enumerate(groups)]
        y = graph.node("Concat", parts, f"{name}.packed", axis=-1)
    if bias is None:
        return y
    return graph.node("Add", [y, graph.floats(f"{name}.bias", bias)], f"{name}.biased")


def embed(graph: GraphBuilder, name: str, token_ids: str, weight: Weight) -> str:
    """Rows of `weight` for `token_ids` `[B, S]`: `[B, S, K]`."""
    if isinstance(weight, DenseWeight):
        rows = graph.node("Gather", [_dense(graph, name, weight), token_ids], f"{name}.rows")
        return _as_float(graph, f"{name}.rows", rows, weight)
    assert weight.order is None, "no format here reorders what is looked up"
    assert weight.offset_blocks is None, "what is looked up has no sums of inputs"
    table = weight.codes.reshape(weight.codes.shape[0], -1)
    rows = graph.node(
        "GatherBlockQuantized",
        [graph.constant(f"{name}.table", table), token_ids, *_parameters(graph, name, weight)],
        f"{name}.rows",
        domain=CONTRIB,
        bits=weight.bits,
        block_size=weight.block_size,
        gather_axis=0,
        quantize_axis=1,
    )
    return rows if weight.offsets is None else _add_offsets(graph, name, token_ids, rows, weight)


def _form(weight: Weight) -> tuple[object, ...]:
    if isinstance(weight, DenseWeight):
        return ("dense", weight.values.dtype)
    has_offsets, has_zero_points = weight.offsets is not None, weight.zero_points is not None
    order = None if weight.order is None else weight.order.tobytes()
    in_blocks = weight.offset_blocks is not None
    return (
        "blocks",
        weight.bits,
        weight.block_size,
        has_offsets,
        has_zero_points,
        order,
        in_blocks,
    )


def _merge(weights: list[Weight]) -> Weight:
    if len(weights) == 1:
        return weights[0]
    blocks = [weight for weight in weights if isinstance(weight, BlockWeight)]
    if blocks:
        return stack(blocks)
    return DenseWeight(np.concatenate([w.values for w in weights if isinstance(w, DenseWeight)]))


def _multiply(graph: GraphBuilder, name: str, x: str, weight: Weight) -> str:
    if isinstance(weight, DenseWeight):
        matrix = _as_float(graph, name, _dense(graph, name, weight), weight)
        return graph.node("FusedMatMul", [x, matrix], f"{name}.y", domain=CONTRIB, transB=1)
    if weight.offset_blocks is not None:
        x = _append_sums(graph, name, x, weight)
        weight = _append_blocks(weight, weight.offset_blocks)
    codes = graph.constant(f"{name}.codes", weight.codes, same_as=f"{name}.table")
    num_outputs, num_inputs = weight.shape
    if weight.order is not None:
        order = graph.constant(f"{name}.order", weight.order)
        x = graph.node("Gather", [x, order], f"{name}.ordered", axis=-1)
    y = graph.node(
        "MatMulNBits",
        [x, codes, *_parameters(graph, name, weight)],
        f"{name}.y",
        domain=CONTRIB,
        K=num_inputs,
        N=num_outputs,
        bits=weight.bits,
        block_size=weight.block_size,
        accuracy_level=_INT8_ACTIVATIONS,
    )
    return y if weight.offsets is None else _correct(graph, name, x, y, weight)


def _append_sums(graph: GraphBuilder, name: str, x: str, weight: BlockWeight) -> str:
    """`x` `[B, S, K]` with the inputs of the offsets' blocks behind it."""
    num_blocks, size = weight.num_blocks, weight.block_size
    ones = graph.floats(f"sums_of_{num_blocks}_blocks_of_{size}", summing(num_blocks, size))
    sums = graph.node("MatMul", [x, ones], f"{name}.sums")
    return graph.node("Concat", [x, sums], f"{name}.with_sums", axis=-1)


def _append_blocks(weight: BlockWeight, offsets: OffsetBlocks) -> BlockWeight:
    """One weight of all blocks, over inputs with sums behind them."""
    return replace(
        weight,
        codes=np.concatenate([weight.codes, offsets.codes], axis=1),
        scales=np.concatenate([weight.scales, offsets.scales], axis=1),
        offset_blocks=None,
    )


def _correct(graph: GraphBuilder, name: str, x: str, y: str, weight: BlockWeight) -> str:
    """Adds what the offsets contribute: a block's offset times the sum of its inputs.

    MatMulNBits takes offsets as float zero points too, but then leaves its fast path.
    """
    assert weight.offsets is not None
    sums = _block_sums(graph, name, x, weight)
    offsets = graph.floats(f"{name}.offsets", np.ascontiguousarray(weight.offsets.T))
    correction = graph.node("MatMul", [sums, offsets], f"{name}.correction")
    return graph.node("Add", [y, correction], f"{name}.corrected")


def _block_sums(graph: GraphBuilder, name: str, x: str, weight: BlockWeight) -> str:
    """Sums of `x` `[B, S, K]` over blocks, `[B, S, K / block_size]`."""
    shape = graph.integers(0, 0, weight.scales.shape[1], weight.block_size)
    blocks = graph.node("Reshape", [x, shape], f"{name}.blocks")
    return graph.node("ReduceSum", [blocks, graph.integers(-1)], f"{name}.block_sums", keepdims=0)


def _add_offsets(
    graph: GraphBuilder, name: str, token_ids: str, rows: str, weight: BlockWeight
) -> str:
    assert weight.offsets is not None
    table = graph.floats(f"{name}.row_offsets_table", weight.offsets)
    offsets = graph.node("Gather", [table, token_ids], f"{name}.row_offsets")
    column = graph.node("Unsqueeze", [offsets, graph.integers(-1)], f"{name}.offset_column")
    in_blocks = graph.node(
        "Reshape",
        [rows, graph.integers(0, 0, weight.scales.shape[1], weight.block_size)],
        f"{name}.row_blocks",
    )
    shifted = graph.node("Add", [in_blocks, column], f"{name}.shifted")
    whole = graph.integers(0, 0, weight.shape[1])
    return graph.node("Reshape", [shifted, whole], f"{name}.whole")


def _parameters(graph: GraphBuilder, name: str, weight: BlockWeight) -> list[str]:
    """What the codes of `weight` are to be read with."""
    scales = graph.floats(f"{name}.scales", weight.scales)
    if weight.zero_points is None:
        return [scales]
    packed = weight.zero_points if weight.bits == 8 else pack_zero_points(weight.zero_points)
    return [scales, graph.constant(f"{name}.zero_points", packed)]


def _dense(graph: GraphBuilder, name: str, weight: DenseWeight) -> str:
    return graph.constant(f"{name}.weight", _stored(graph, weight))


def _stored(graph: GraphBuilder, weight: DenseWeight) -> NDArray[np.generic]:
    """What is bfloat16 becomes float16 where that is computed in: DirectML cannot cast it."""
    to_float16 = graph.dtype == np.float16 and weight.values.dtype == bfloat16
    return weight.values.astype(np.float16) if to_float16 else weight.values


def _as_float(graph: GraphBuilder, name: str, value: str, weight: DenseWeight) -> str:
    """`value` in the type of the activations, whatever the weights are stored in."""
    if _stored(graph, weight).dtype == graph.dtype:
        return value
    return graph.node("Cast", [value], f"{name}.float", to=graph.float_type)
