"""The layers of a decoder as ONNX nodes, whatever computes their linears.

Values flow as `[B, S, features]`. The attention is ONNX Runtime's GroupQueryAttention
(docs/ContribOperators.md) with packed queries, keys and values, rotating them itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.decoder.blocks import Weight
from export.decoder.builder import CONTRIB, INT32, INT64, Dim, GraphBuilder
from export.decoder.linear import embed
from export.decoder.rope import rope_tables
from export.decoder.spec import DecoderSpec, Linear


class LinearWriter(Protocol):
    """Writes the linears of a layer in one arithmetic or another, and gives the norms for it."""

    def norm(self, name: str, layer: int | None) -> NDArray[np.float32]:
        """The weight of a norm, float32 `[hidden_size]`."""
        ...

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        """`x` through `linears` of `layer`, their outputs side by side."""
        ...


@dataclass(frozen=True, slots=True)
class Layers:
    """Writes one layer after the other; the residual stream is a value name handed along.

    The stream is kept as two parts, `residual` and the newest `branch`, since ONNX Runtime adds
    and norms them in one operator.
    """

    graph: GraphBuilder
    spec: DecoderSpec
    writer: LinearWriter

    def start(self, embedding: Weight) -> str:
        """Declares the inputs, the cache's outputs among them, and embeds the tokens."""
        self.graph.input("input_ids", INT64, ["batch", "sequence"])
        self.graph.input("seqlens_k", INT32, ["batch"])
        self.graph.input("total_sequence_length", INT32, [])
        shape: list[Dim] = ["batch", self.spec.num_kv_heads, "slot_length", self.spec.head_dim]
        for layer in range(self.spec.num_layers):
            for kind in ("key", "value"):
                self.graph.input(f"past_key_values.{layer}.{kind}", self.graph.float_type, shape)
                self.graph.output(f"present.{layer}.{kind}", self.graph.float_type, shape)
        cos, sin = rope_tables(self.spec.rope, self.spec.head_dim, self.spec.context_length)
        self.graph.floats("rope.cos", cos)
        self.graph.floats("rope.sin", sin)
        return embed(self.graph, "embedding", "input_ids", embedding)

    def attend(self, layer: int, residual: str, branch: str) -> tuple[str, str]:
        """The stream as one value, and what the heads of `layer` gathered from it."""
        names = self.spec.weights
        residual, x = self.norm(
            f"layers.{layer}.attention_norm", names.attention_norm, layer, residual, branch
        )
        return residual, self._attention(layer, f"layers.{layer}.attention", x)

    def finish(self, layer: int, residual: str, attended: str) -> tuple[str, str]:
        """The rest of `layer`: the stream, in two parts."""
        name = f"layers.{layer}"
        branch = self._linear(f"{name}.attention.out", attended, layer, self.spec.attention_out)
        residual, x = self.norm(
            f"{name}.mlp_norm", self.spec.weights.mlp_norm, layer, residual, branch
        )
        return residual, self._mlp(layer, f"{name}.mlp", x)

    def norm(
        self, name: str, weight: str, layer: int | None, residual: str, branch: str
    ) -> tuple[str, str]:
        """RMS norm of `residual + branch`: the sum, and the norm of it."""
        scale = self.graph.floats(f"{name}.weight", self.writer.norm(weight, layer))
        epsilon = self.spec.rms_norm_eps
        if not branch:
            normed = self.graph.node(
                "SimplifiedLayerNormalization",
                [residual, scale],
                name,
                axis=-1,
                epsilon=epsilon,
                stash_type=1,
            )
            return residual, normed
        self.graph.nodes(
            "SkipSimplifiedLayerNormalization",
            [residual, branch, scale],
            [name, "", "", f"{name}.sum"],
            domain=CONTRIB,
            epsilon=epsilon,
        )
        return f"{name}.sum", name

    def _attention(self, layer: int, name: str, x: str) -> str:
        spec = self.spec
        qkv = self._linear(f"{name}.qkv", x, layer, spec.query, spec.key, spec.value)
        past = [f"past_key_values.{layer}.{kind}" for kind in ("key", "value")]
        present = [f"present.{layer}.{kind}" for kind in ("key", "value")]
        lengths = ["seqlens_k", "total_sequence_length"]
        self.graph.nodes(
            "GroupQueryAttention",
            [qkv, "", "", *past, *lengths, "rope.cos", "rope.sin"],
            [f"{name}.attended", *present],
            domain=CONTRIB,
            num_heads=spec.num_heads,
            kv_num_heads=spec.num_kv_heads,
            do_rotary=1,
        )
        return f"{name}.attended"

    def _mlp(self, layer: int, name: str, x: str) -> str:
        """silu(gate) * up, then down; gate and up are one product."""
        gate_up = self._linear(f"{name}.gate_up", x, layer, self.spec.gate, self.spec.up)
        gate, up = f"{name}.gate", f"{name}.up"
        self.graph.nodes("Split", [gate_up], [gate, up], axis=-1, num_outputs=2)
        activated = self.graph.node(
            "QuickGelu", [gate], f"{name}.activated", domain=CONTRIB, alpha=1.0
        )
        gated = self.graph.node("Mul", [activated, up], f"{name}.gated")
        return self._linear(f"{name}.down", gated, layer, self.spec.down)

    def _linear(self, name: str, x: str, layer: int, *linears: Linear) -> str:
        return self.writer.linear(self.graph, name, x, layer, *linears)
