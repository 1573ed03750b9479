"""From the last layer to the logits, as ONNX nodes."""

from __future__ import annotations

import numpy as np

from export.decoder.blocks import Weight
from export.decoder.builder import FLOAT, GraphBuilder
from export.decoder.linear import linear
from export.decoder.spec import DecoderSpec


def write_head(graph: GraphBuilder, spec: DecoderSpec, head: Weight, hidden: str) -> None:
    """The logits of `hidden` `[1, n, hidden_size]`: float32 `[n, vocab_size]`."""
    logits = linear(graph, "embedding" if spec.tied_head else "head", hidden, [head])
    rows = graph.integers(-1, spec.vocab_size)
    flat = graph.node("Reshape", [logits, rows], "flat_logits")
    _finish_logits(graph, spec, flat)
    graph.output("logits", FLOAT, ["num_logits", spec.vocab_size])


def _finish_logits(graph: GraphBuilder, spec: DecoderSpec, x: str) -> None:
    """`x` as float32 `logits`, scaled and bent as `spec` says."""
    scales = spec.scales
    if scales.logits == 1 and not scales.logits_softcap:
        graph.node("Cast", [x], "logits", to=FLOAT)
        return
    x = graph.node("Cast", [x], "raw_logits", to=FLOAT)
    factor = scales.logits / (scales.logits_softcap or 1)
    number = graph.constant("logits.factor", np.array(factor, np.float32))
    if not scales.logits_softcap:
        graph.node("Mul", [x, number], "logits")
        return
    bent = graph.node("Tanh", [graph.node("Mul", [x, number], "scaled_logits")], "bent_logits")
    cap = graph.constant("logits.cap", np.array(scales.logits_softcap, np.float32))
    graph.node("Mul", [bent, cap], "logits")
