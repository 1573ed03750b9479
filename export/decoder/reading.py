"""The graph of a decoder that reads sequences and continues none.

Inputs and outputs beside a decoder's own (B rows, S tokens of the longest of them, D the hidden
size):

    last_hidden_state    float32 [B, S, D]    what the last norm gives
    logits               float32 [B, 1]       instead of it, where there is a score: that of the
                                              last token of each row
    attention_mask       int64 [B, S]         then: one where a row has a token

Padding is behind a row's tokens, none of which sees it: `seqlens_k` may say of all rows that they
are as long as the longest. A cache takes a sequence that is read in chunks, alone.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx

from export.checkpoints.base import Tensor
from export.decoder.blocks import DenseWeight, Weight
from export.decoder.builder import FLOAT, INT64, GraphBuilder
from export.decoder.graph import fit_to_target
from export.decoder.layers import Layers
from export.decoder.linear import linear
from export.decoder.precision import Precision
from export.decoder.storing import Storing
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weight_only import WeightOnly
from export.decoder.weights import Floats, Weights


def build_reader(
    weights: Weights,
    precision: Precision,
    tensors: TensorFile,
    on_layer: Callable[[], None] = lambda: None,
    *,
    on_matrix: Callable[[Tensor, Weight], None] = lambda _, __: None,
    score: Floats | None = None,
) -> onnx.ModelProto:
    """The graph of `weights` for processors; they go to `tensors` in `precision` as they are met.

    `score` is a classifier's head of one label, float32 `[1, D]`. `on_layer` is called after each
    layer, `on_matrix` with each matrix and what it became.
    Raises ExportError if a weight is missing or has another shape than the spec says.
    """
    spec, target = weights.spec, Target.CPU
    graph = GraphBuilder(tensors, target.dtype)
    stored = WeightOnly(weights, precision, Storing(target, spec.hidden_size, precision), on_matrix)
    layers = Layers(graph, spec, stored)
    residual, branch = layers.start(stored.vocabulary(weights.embedding())), ""
    for layer in range(spec.num_layers):
        residual, attended = layers.attend(layer, residual, branch)
        if score is not None and layer == spec.num_layers - 1:
            # Beyond the last attention every token stands alone: only the last ones go on.
            last = _last_tokens(graph)
            residual = graph.node("MatMul", [last, residual], "last.residual")
            attended = graph.node("MatMul", [last, attended], "last.attended")
        residual, branch = layers.finish(layer, residual, attended)
        on_layer()
    _, hidden = layers.add("final_norm", spec.final_norm, None, residual, branch)
    if score is None:
        graph.node("Cast", [hidden], "last_hidden_state", to=FLOAT)
        graph.output("last_hidden_state", FLOAT, ["batch", "sequence", spec.hidden_size])
    else:
        scored = linear(graph, "score", hidden, [DenseWeight(score)])
        graph.node("Reshape", [scored, graph.integers(-1, 1)], "logits")
        graph.output("logits", FLOAT, ["batch", 1])
    return fit_to_target(graph.model(f"{spec.family} reader"), target, tensors)


def _last_tokens(graph: GraphBuilder) -> str:
    """float32 `[B, 1, S]`: a one where a row has its last token, and zeros.

    A product with it picks that token's features as they are.
    """
    start, end, axis = graph.integers(1), graph.integers(1 << 31), graph.integers(-1)
    mask = graph.input("attention_mask", INT64, ["batch", "sequence"])
    others = graph.node("Slice", [mask, start, end, axis], "mask.others")
    none = graph.node(
        "Sub", [graph.node("ReduceMax", [mask, axis], "mask.one"), start], "mask.none"
    )
    following = graph.node("Concat", [others, none], "mask.following", axis=-1)
    ends = graph.node("Sub", [mask, following], "mask.ends")
    column = graph.node("Unsqueeze", [ends, graph.integers(1)], "mask.column")
    return graph.node("Cast", [column], "last", to=FLOAT)
