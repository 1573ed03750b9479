"""Weights in a precision; what they are multiplied with is not rounded before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.decoder.blocks import DenseWeight, Weight, densify
from export.decoder.builder import GraphBuilder
from export.decoder.linear import linear
from export.decoder.parts import Linear, Norm
from export.decoder.precision import Precision
from export.decoder.storing import Storing
from export.decoder.weights import NormWeights, Weights


@dataclass(frozen=True, slots=True)
class WeightOnly:
    """Linears whose weights are stored in a precision, in the form that `storing` gives them."""

    weights: Weights
    precision: Precision
    storing: Storing
    on_matrix: Callable[[Tensor, Weight], None]

    def vocabulary(self, tensor: Tensor) -> Weight:
        """The weight of an embedding or a head."""
        weight = self.storing.even(self.precision.vocabulary(tensor))
        self.on_matrix(tensor, weight)
        return weight

    def norm(self, norm: Norm, layer: int | None) -> NormWeights:
        return self.weights.norm(norm, layer)

    def vector(self, name: str, size: int, layer: int) -> NDArray[np.float32]:
        return self.weights.vector(name, size, layer)

    def weight(self, linear: Linear, layer: int) -> Weight:
        tensor = self.weights.matrix(linear, layer)
        weight = self.precision.linear(tensor)
        self.on_matrix(tensor, weight)
        return weight

    def bias(self, linear: Linear, layer: int) -> NDArray[np.float32] | None:
        return self.weights.bias(linear, layer)

    def plain_weight(self, linear: Linear, layer: int) -> DenseWeight:
        tensor = self.weights.matrix(linear, layer)
        weight = densify(tensor, np.float32)
        self.on_matrix(tensor, weight)
        return weight

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        stored = [self._stored(each, layer) for each in linears]
        biases = [self.weights.bias(each, layer) for each in linears]
        given = [bias for bias in biases if bias is not None]
        assert len(given) in (0, len(biases))
        return linear(graph, name, x, stored, np.concatenate(given) if given else None)

    def _stored(self, linear: Linear, layer: int) -> Weight:
        tensor = self.weights.matrix(linear, layer)
        spec = self.weights.spec
        weight = self.storing.linear(
            self.precision.linear(tensor, is_sensitive=linear in spec.sensitive(layer)),
            layer,
            is_fine=linear in spec.fine,
        )
        self.on_matrix(tensor, weight)
        return weight
