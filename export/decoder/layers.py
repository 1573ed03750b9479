"""The layers of a decoder as ONNX nodes, whatever computes their linears.

Values flow as `[B, S, features]`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.decoder.attention import add_rope_tables, declare_cache, write_attention
from export.decoder.blocks import Weight
from export.decoder.builder import INT64, Dim, GraphBuilder
from export.decoder.experts import write_experts
from export.decoder.linear import embed
from export.decoder.mlp import write_mlp
from export.decoder.norms import add_and_norm, norm
from export.decoder.parts import Experts, Norm
from export.decoder.spec import DecoderSpec
from export.decoder.writer import LayerWriter


@dataclass(frozen=True, slots=True)
class Layers:
    """Writes one layer after the other; the residual stream is a value name handed along.

    The stream is kept as two parts, `residual` and the newest `branch`, since ONNX Runtime adds
    and norms them in one operator.
    """

    graph: GraphBuilder
    spec: DecoderSpec
    writer: LayerWriter

    def start(self, embedding: Weight | None) -> str:
        """Declares the inputs, the cache's outputs among them, and embeds the tokens; without an
        `embedding` the graph is given `inputs_embeds` `[B, S, hidden_size]` instead."""
        if embedding is not None:
            self.graph.input("input_ids", INT64, ["batch", "sequence"])
        else:
            shape: list[Dim] = ["batch", "sequence", self.spec.hidden_size]
            self.graph.input("inputs_embeds", self.graph.float_type, shape)
        declare_cache(self.graph, self.spec.attention)
        add_rope_tables(self.graph, self.spec.attention, self.spec.context_length)
        if embedding is None:
            return "inputs_embeds"
        return embed_tokens(self.graph, self.spec, embedding)

    def attend(self, layer: int, residual: str, branch: str) -> tuple[str, str]:
        """The stream as one value, and what the heads of `layer` gathered from it."""
        name = f"layers.{layer}.attention"
        norms = self.spec.norms
        residual, x = self.add(f"{name}_norm", norms.before_attention, layer, residual, branch)
        return residual, write_attention(
            self.graph, self.writer, self.spec.attention, layer, name, x
        )

    def finish(self, layer: int, residual: str, attended: str) -> tuple[str, str]:
        """The rest of `layer`: the stream, in two parts."""
        name, spec = f"layers.{layer}", self.spec
        out = self.writer.linear(
            self.graph, f"{name}.attention.out", attended, layer, spec.attention.out
        )
        branch = self._branch(f"{name}.attention", spec.norms.after_attention, layer, out)
        residual, x = self.add(f"{name}.mlp_norm", spec.norms.before_mlp, layer, residual, branch)
        out = self._mlp(layer, f"{name}.mlp", x)
        return residual, self._branch(f"{name}.mlp", spec.norms.after_mlp, layer, out)

    def _mlp(self, layer: int, name: str, x: str) -> str:
        mlp = self.spec.mlp
        if isinstance(mlp, Experts):
            return write_experts(self.graph, self.writer, mlp, layer, name, x)
        return write_mlp(self.graph, self.writer, mlp, layer, name, x)

    def add(
        self, name: str, kind: Norm | None, layer: int | None, residual: str, branch: str
    ) -> tuple[str, str]:
        """`residual + branch`, where there is a branch, and the norm of it, where it has one."""
        if kind is None:
            total = (
                self.graph.node("Add", [residual, branch], f"{name}.sum") if branch else residual
            )
            return total, total
        weights = self.writer.norm(kind, layer)
        if not branch:
            return residual, norm(self.graph, name, residual, kind, weights)
        return add_and_norm(self.graph, name, residual, branch, kind, weights)

    def _branch(self, name: str, kind: Norm | None, layer: int, x: str) -> str:
        """What a branch adds to the stream, `x` being what it computed."""
        if kind is not None:
            x = norm(self.graph, f"{name}.post_norm", x, kind, self.writer.norm(kind, layer))
        return scale(self.graph, x, self.spec.scales.branch, f"{name}.scaled")


def embed_tokens(graph: GraphBuilder, spec: DecoderSpec, embedding: Weight) -> str:
    """The stream that `input_ids` begin: `[B, S, hidden_size]`."""
    rows = embed(graph, "embedding", "input_ids", embedding)
    return scale(graph, rows, spec.scales.embedding, "embedding.scaled")


def scale(graph: GraphBuilder, x: str, factor: float, output: str) -> str:
    """`x` times a number."""
    if factor == 1:
        return x
    number = graph.floats(f"{output}.factor", np.array(factor, np.float32))
    return graph.node("Mul", [x, number], output)
