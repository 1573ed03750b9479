"""Weights in a precision; what they are multiplied with is not rounded before.

Raises ExportError, naming it, for a weight that is not of finite numbers which that can hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.decoder.blocks import DenseWeight, Weight, densify
from export.decoder.builder import GraphBuilder
from export.decoder.finite import require_numbers, require_storable
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
        weight = self.storing.even(self._sound(tensor, self.precision.vocabulary))
        self.on_matrix(tensor, weight)
        return weight

    def norm(self, norm: Norm, layer: int | None) -> NormWeights:
        weights = self.weights.norm(norm, layer)
        self._check(f"{norm.name}.weight", weights.scale, layer)
        if weights.bias is not None:
            self._check(f"{norm.name}.bias", weights.bias, layer)
        return weights

    def vector(self, name: str, size: int, layer: int) -> NDArray[np.float32]:
        vector = self.weights.vector(name, size, layer)
        self._check(name, vector, layer)
        return vector

    def weight(self, linear: Linear, layer: int) -> Weight:
        tensor = self.weights.matrix(linear, layer)
        weight = self._sound(tensor, self.precision.linear)
        self.on_matrix(tensor, weight)
        return weight

    def bias(self, linear: Linear, layer: int) -> NDArray[np.float32] | None:
        bias = self.weights.bias(linear, layer)
        if bias is not None:
            self._check(f"{linear.name}.bias", bias, layer)
        return bias

    def plain_weight(self, linear: Linear, layer: int) -> DenseWeight:
        tensor = self.weights.matrix(linear, layer)
        weight = densify(tensor, np.float32)
        require_storable(tensor, weight, self.storing.target.dtype)
        self.on_matrix(tensor, weight)
        return weight

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        stored = [self._stored(each, layer) for each in linears]
        biases = [self.bias(each, layer) for each in linears]
        given = [bias for bias in biases if bias is not None]
        assert len(given) in (0, len(biases))
        return linear(graph, name, x, stored, np.concatenate(given) if given else None)

    def _stored(self, linear: Linear, layer: int) -> Weight:
        tensor = self.weights.matrix(linear, layer)
        spec = self.weights.spec
        is_sensitive = linear in spec.sensitive(layer)
        weight = self.storing.linear(
            self._sound(tensor, partial(self.precision.linear, is_sensitive=is_sensitive)),
            layer,
            is_fine=linear in spec.fine,
        )
        self.on_matrix(tensor, weight)
        return weight

    def _sound(self, tensor: Tensor, store: Callable[[Tensor], Weight]) -> Weight:
        # What is not finite is refused by name right after, and no reason for numpy to warn.
        with np.errstate(over="ignore", invalid="ignore"):
            weight = store(tensor)
        require_storable(tensor, weight, self.storing.target.dtype)
        return weight

    def _check(self, name: str, values: NDArray[np.float32], layer: int | None) -> None:
        name = name if layer is None else name.format(i=layer)
        require_numbers(name, values, self.storing.target.dtype)
