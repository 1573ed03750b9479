"""The decoder's ONNX graph, written from a spec and weights that are asked for one at a time.

Inputs and outputs (B rows, S new tokens per row, T slots of the KV buffer, n wanted positions):

    input_ids                    int64 [B, S]
    seqlens_k                    int32 [B]      each row's length after this call, minus one
    total_sequence_length        int32 []       the largest length after this call
    logits_indices               int64 [n]      which of the B * S positions get logits
    past_key_values.{i}.key      float [B, num_kv_heads, T, head_dim], likewise .value
    present.{i}.key              the same memory as the past, new tokens written in place
    logits                       float [n, vocab_size]

The attention is ONNX Runtime's GroupQueryAttention (docs/ContribOperators.md) with packed
queries, keys and values, rotating them itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import Weight
from export.decoder.builder import CONTRIB, FLOAT, INT32, INT64, Dim, GraphBuilder
from export.decoder.linear import embed, linear
from export.decoder.precision import Precision
from export.decoder.rope import rope_tables
from export.decoder.spec import DecoderSpec, Linear
from export.decoder.tensor_file import TensorFile
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class Weights:
    """A checkpoint's tensors in the forms that `precision` gives them."""

    spec: DecoderSpec
    checkpoint: Checkpoint
    precision: Precision

    def vector(self, name: str, layer: int | None, size: int) -> NDArray[np.float32]:
        """A norm's weight or a bias, float32 `[size]`."""
        return dequantize(self._tensor(_at(name, layer), (size,)))

    def matrix(self, name: str, layer: int, shape: tuple[int, int]) -> Weight:
        """A linear's weight `[N, K]`."""
        return self.precision.linear(self._tensor(_at(name, layer) + ".weight", shape))

    def vocabulary(self, name: str) -> Weight:
        """The weight of the embedding or the head `[vocab_size, hidden_size]`."""
        shape = (self.spec.vocab_size, self.spec.hidden_size)
        return self.precision.vocabulary(self._tensor(name, shape))

    def _tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = self.checkpoint.tensor(name)
        if tensor.shape != shape:
            raise ExportError(
                f"{name} has the shape {list(tensor.shape)}, the config asks for {list(shape)}"
            )
        return tensor


def build_decoder(
    weights: Weights, tensors: TensorFile, on_layer: Callable[[], None] = lambda: None
) -> onnx.ModelProto:
    """The graph of `weights.spec`; the weights go to `tensors` as they are met.

    `on_layer` is called after each layer. Raises ExportError if a weight is missing or has
    another shape than the spec says.
    """
    return _Decoder(weights, GraphBuilder(tensors)).build(on_layer)


def _at(name: str, layer: int | None) -> str:
    return name if layer is None else name.format(i=layer)


class _Decoder:
    """Writes one layer after the other; the residual stream is a value name handed along."""

    def __init__(self, weights: Weights, graph: GraphBuilder) -> None:
        self.spec = weights.spec
        self.names = weights.spec.weights
        self.weights = weights
        self.graph = graph

    def build(self, on_layer: Callable[[], None]) -> onnx.ModelProto:
        vocabulary = self.weights.vocabulary(self.names.embedding)
        self._inputs()
        residual = self._embedding(vocabulary)
        branch = ""
        for layer in range(self.spec.num_layers):
            residual, branch = self._layer(layer, residual, branch)
            on_layer()
        _, hidden = self._norm("final_norm", self.names.final_norm, None, residual, branch)
        head = vocabulary if self.spec.tied_head else self.weights.vocabulary(self.names.head)
        name = "embedding" if self.spec.tied_head else "head"
        logits = linear(self.graph, name, hidden, [head])
        self.graph.node("Identity", [logits], "logits")
        self.graph.output("logits", FLOAT, ["num_logits", self.spec.vocab_size])
        return self.graph.model(self.spec.family)

    def _inputs(self) -> None:
        self.graph.input("input_ids", INT64, ["batch", "sequence"])
        self.graph.input("seqlens_k", INT32, ["batch"])
        self.graph.input("total_sequence_length", INT32, [])
        self.graph.input("logits_indices", INT64, ["num_logits"])
        shape: list[Dim] = ["batch", self.spec.num_kv_heads, "slot_length", self.spec.head_dim]
        for layer in range(self.spec.num_layers):
            for kind in ("key", "value"):
                self.graph.input(f"past_key_values.{layer}.{kind}", FLOAT, shape)
                self.graph.output(f"present.{layer}.{kind}", FLOAT, shape)
        cos, sin = rope_tables(self.spec.rope, self.spec.head_dim, self.spec.context_length)
        self.graph.constant("rope.cos", cos)
        self.graph.constant("rope.sin", sin)

    def _embedding(self, weight: Weight) -> str:
        shape = self.graph.node("Shape", ["input_ids"], "input_shape")
        self.graph.node("Concat", [shape, self.graph.integers(-1)], "batched_shape", axis=0)
        flat = self.graph.node("Reshape", ["input_ids", self.graph.integers(-1)], "token_ids")
        return embed(self.graph, "embedding", flat, weight)

    def _layer(self, layer: int, residual: str, branch: str) -> tuple[str, str]:
        """One layer. The sum of `residual` and `branch` goes in and, as two parts, comes out."""
        name = f"layers.{layer}"
        residual, x = self._norm(
            f"{name}.attention_norm", self.names.attention_norm, layer, residual, branch
        )
        attended = self._attention(layer, f"{name}.attention", x)
        if layer == self.spec.num_layers - 1:
            # Beyond the last attention every token stands alone: only the wanted ones go on.
            residual = self.graph.node("Gather", [residual, "logits_indices"], "wanted_residual")
            attended = self.graph.node("Gather", [attended, "logits_indices"], "wanted_attended")
        branch = self._linear(
            f"{name}.attention.out",
            attended,
            layer,
            self.spec.attention_out,
        )
        residual, x = self._norm(f"{name}.mlp_norm", self.names.mlp_norm, layer, residual, branch)
        return residual, self._mlp(layer, f"{name}.mlp", x)

    def _norm(
        self, name: str, weight: str, layer: int | None, residual: str, branch: str
    ) -> tuple[str, str]:
        """RMS norm of `residual + branch`: the sum, and the norm of it."""
        scale = self.graph.constant(
            f"{name}.weight", self.weights.vector(weight, layer, self.spec.hidden_size)
        )
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
        qkv = self._linear(
            f"{name}.qkv",
            x,
            layer,
            spec.query,
            spec.key,
            spec.value,
        )
        batched = self.graph.node("Reshape", [qkv, "batched_shape"], f"{name}.batched")
        past = [f"past_key_values.{layer}.{kind}" for kind in ("key", "value")]
        present = [f"present.{layer}.{kind}" for kind in ("key", "value")]
        self.graph.nodes(
            "GroupQueryAttention",
            [
                batched,
                "",
                "",
                *past,
                "seqlens_k",
                "total_sequence_length",
                "rope.cos",
                "rope.sin",
            ],
            [f"{name}.heads", *present],
            domain=CONTRIB,
            num_heads=spec.num_heads,
            kv_num_heads=spec.num_kv_heads,
            do_rotary=1,
        )
        flat = self.graph.integers(-1, spec.query_size)
        return self.graph.node("Reshape", [f"{name}.heads", flat], f"{name}.attended")

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
        matrices = [self.weights.matrix(each.name, layer, each.shape) for each in linears]
        if not linears[0].has_bias:
            return linear(self.graph, name, x, matrices)
        biases = [
            self.weights.vector(f"{each.name}.bias", layer, each.shape[0]) for each in linears
        ]
        return linear(self.graph, name, x, matrices, np.concatenate(biases))
