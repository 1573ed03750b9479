"""A graph that only reads prompts, its linears in int8 arithmetic: the fastest way there is.

It fills the same KV memory as the decoder's graph and stops once the last layer's keys and values
are there; the last prompt token then goes through the decoder as any other. Its inputs are the
decoder's but for `logits_indices`, its outputs the `present` ones alone.

Activations are quantised per token and weights, to 7 bits, per output channel, both symmetric, so
a token's result depends on no other token. `Smoothing` keeps outliers from spoiling the scales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from export.checkpoints.dequantize import dequantize
from export.decoder.blocks import DenseWeight, Weight, densify
from export.decoder.builder import CONTRIB, GraphBuilder, initializers
from export.decoder.layers import Layers
from export.decoder.parts import Linear, Mlp, Norm
from export.decoder.precision import Precision
from export.decoder.smoothing import Smoothing, site_of
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import NormWeights, Weights
from export.errors import ExportError

Floats = NDArray[np.float32]

_MIDDLE_CODE = 128
"""Activations are stored unsigned: uint8 by int8 is what processors multiply (AVX-512 VNNI), and
ONNX Runtime's kernel for int8 by int8 was sixteen times slower."""

_LARGEST_ACTIVATION = 127

_LARGEST_WEIGHT = 63
"""Processors without VNNI add two products in 16 bits: 2 * 255 * 63 still fits there, and so the
result is the same on every one. It cost 0.005 nats per token of SmolLM2-135M."""

_SMALLEST_SCALE = 1e-10
"""Keeps a token whose activations are all zero from being divided by zero."""


def require_int8_prefill(spec: DecoderSpec) -> None:
    """Raises ExportError for a decoder whose activations cannot be smoothed at no cost: a norm has
    to be before both branches of a layer, and the MLP to be gated."""
    norms, mlp = spec.norms, spec.mlp
    is_gated = isinstance(mlp, Mlp) and mlp.is_gated
    if norms.before_attention is None or norms.before_mlp is None or not is_gated:
        raise ExportError(f"an int8 prefill graph is not supported for {spec.family} models")


def build_int8_prefill(
    weights: Weights,
    precision: Precision,
    smoothing: Smoothing,
    decoder: onnx.ModelProto,
    tensors: TensorFile,
    on_layer: Callable[[], None] = lambda: None,
) -> onnx.ModelProto:
    """The graph; what it has in common with the `decoder` beside it stays in that one's file."""
    spec = weights.spec
    graph = GraphBuilder(tensors, Target.CPU.dtype, initializers(decoder, "embedding.", "rope."))
    layers = Layers(graph, spec, _Int8(weights, smoothing))
    residual, branch = layers.start(precision.vocabulary(weights.embedding())), ""
    for layer in range(spec.num_layers):
        residual, attended = layers.attend(layer, residual, branch)
        if layer < spec.num_layers - 1:
            residual, branch = layers.finish(layer, residual, attended)
        on_layer()
    return graph.model(f"{spec.family} prefill")


@dataclass(frozen=True, slots=True)
class _Int8:
    """Linears that multiply int8 by int8, and norms that smooth what goes into them."""

    weights: Weights
    smoothing: Smoothing

    def norm(self, norm: Norm, layer: int | None) -> NormWeights:
        assert layer is not None
        weights, norms = self.weights.norm(norm, layer), self.weights.spec.norms
        if norm == norms.before_attention:
            return weights.divided(self.smoothing.at(layer, "attention"))
        if norm == norms.before_mlp:
            return weights.divided(self.smoothing.at(layer, "mlp"))
        return weights

    def vector(self, name: str, size: int, layer: int) -> Floats:
        return self.weights.vector(name, size, layer)

    def weight(self, linear: Linear, layer: int) -> Weight:
        return self.plain_weight(linear, layer)

    def bias(self, linear: Linear, layer: int) -> NDArray[np.float32] | None:
        return self.weights.bias(linear, layer)

    def plain_weight(self, linear: Linear, layer: int) -> DenseWeight:
        return densify(self.weights.matrix(linear, layer), np.float32)

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        matrix = self._matrix(linears, layer)
        scales = np.maximum(np.abs(matrix).max(1) / _LARGEST_WEIGHT, _SMALLEST_SCALE)
        codes = np.rint(matrix / scales[:, None]).astype(np.int8)
        rows, row_scales = _quantize_rows(graph, x)
        product = graph.node(
            "MatMulIntegerToFloat",
            [
                rows,
                graph.constant(f"{name}.int8", codes.T),
                graph.constant("one", np.ones((), np.float32)),
                graph.constant(f"{name}.int8_scales", scales.astype(np.float32)),
                "middle",
            ],
            f"{name}.product",
            domain=CONTRIB,
        )
        y = graph.node("Mul", [product, row_scales], f"{name}.y")
        bias = self._bias(linears, layer)
        if bias is None:
            return y
        return graph.node("Add", [y, graph.constant(f"{name}.bias", bias)], f"{name}.biased")

    def _matrix(self, linears: Sequence[Linear], layer: int) -> Floats:
        """The weights with smoothing folded in: columns for their input, rows for their output."""
        matrix = np.concatenate([dequantize(self.weights.matrix(each, layer)) for each in linears])
        site = site_of(self.weights.spec, linears[0])
        if site is not None:
            matrix = matrix * self.smoothing.at(layer, site)
        if site == "mlp":
            matrix[self._up] /= self.smoothing.at(layer, "down")[:, None]
        return matrix

    def _bias(self, linears: Sequence[Linear], layer: int) -> Floats | None:
        biases = [self.weights.bias(each, layer) for each in linears]
        given = [bias for bias in biases if bias is not None]
        if not given:
            return None
        bias = np.concatenate(given)
        if site_of(self.weights.spec, linears[0]) == "mlp":
            bias[self._up] /= self.smoothing.at(layer, "down")
        return bias

    @property
    def _up(self) -> slice:
        """The rows of gate and up that are up's."""
        mlp = self.weights.spec.mlp
        assert isinstance(mlp, Mlp)
        return slice(mlp.down.shape[1], None)


def _quantize_rows(graph: GraphBuilder, x: str) -> tuple[str, str]:
    """`x` in uint8 around `_MIDDLE_CODE` with a scale per token, `[N, K]` and `[N, 1]`."""
    magnitudes = graph.node("Abs", [x], f"{x}.magnitudes")
    axes = graph.integers(-1)
    largest = graph.node("ReduceMax", [magnitudes, axes], f"{x}.largest", keepdims=1)
    step = graph.constant("int8_step", np.array(1 / _LARGEST_ACTIVATION, np.float32))
    raw = graph.node("Mul", [largest, step], f"{x}.raw_scale")
    smallest = graph.constant("smallest_scale", np.array(_SMALLEST_SCALE, np.float32))
    scale = graph.node("Max", [raw, smallest], f"{x}.scale")
    scaled = graph.node("Div", [x, scale], f"{x}.scaled")
    one = graph.constant("one", np.ones((), np.float32))
    middle = graph.constant("middle", np.array(_MIDDLE_CODE, np.uint8))
    return graph.node("QuantizeLinear", [scaled, one, middle], f"{x}.codes"), scale
