"""What the layers of a graph ask of the weights, whatever arithmetic they are multiplied in."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.decoder.blocks import DenseWeight, Weight
from export.decoder.builder import GraphBuilder
from export.decoder.parts import Linear, Norm
from export.decoder.weights import NormWeights


class LayerWriter(Protocol):
    """Writes the linears of a layer in one arithmetic or another, and gives the norms for it."""

    def norm(self, norm: Norm, layer: int | None) -> NormWeights:
        """The weights of a norm."""
        ...

    def vector(self, name: str, size: int, layer: int) -> NDArray[np.float32]:
        """Any other weight of a layer, float32 `[size]`."""
        ...

    def weight(self, linear: Linear, layer: int) -> Weight:
        """The weight of one linear as it is stored."""
        ...

    def bias(self, linear: Linear, layer: int) -> NDArray[np.float32] | None:
        """The bias of one linear, float32 `[N]`, or None if it has none."""
        ...

    def plain_weight(self, linear: Linear, layer: int) -> DenseWeight:
        """The weight of one linear in float32."""
        ...

    def linear(self, graph: GraphBuilder, name: str, x: str, layer: int, *linears: Linear) -> str:
        """`x` through `linears` of `layer`, their outputs side by side."""
        ...
