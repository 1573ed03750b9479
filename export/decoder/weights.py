"""A checkpoint's tensors, looked up by what the spec calls them and checked against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.parts import Linear, Norm
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NormWeights:
    """What normed features are multiplied with, and what is added if any: float32 `[size]`."""

    scale: Floats
    bias: Floats | None = None

    def divided(self, by: Floats) -> NormWeights:
        """Those of a norm whose output is divided."""
        return NormWeights(self.scale / by, None if self.bias is None else self.bias / by)


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a decoder. Every method raises ExportError for a missing tensor or one of
    another shape than the spec says, naming it."""

    spec: DecoderSpec
    checkpoint: Checkpoint

    def norm(self, norm: Norm, layer: int | None) -> NormWeights:
        scale = self.vector(f"{norm.name}.weight", norm.size, layer)
        if norm.weight_offset:
            scale = scale + np.float32(norm.weight_offset)
        if norm.kind == "rms":
            return NormWeights(scale)
        return NormWeights(scale, self.vector(f"{norm.name}.bias", norm.size, layer))

    def vector(self, name: str, size: int, layer: int | None) -> Floats:
        """float32 `[size]`."""
        return dequantize(self._tensor(_at(name, layer), (size,)))

    def matrix(self, linear: Linear, layer: int) -> Tensor:
        """A linear's weight `[N, K]`."""
        return self._tensor(_at(linear.name, layer) + ".weight", linear.shape)

    def bias(self, linear: Linear, layer: int) -> Floats | None:
        """A linear's bias, float32 `[N]`, or None if it has none."""
        if not linear.has_bias:
            return None
        return self.vector(f"{linear.name}.bias", linear.shape[0], layer)

    def embedding(self) -> Tensor:
        """`[vocab_size, hidden_size]`."""
        return self._vocabulary(self.spec.embedding)

    def head(self) -> Tensor:
        """`[vocab_size, hidden_size]`, where it is not tied to the embedding."""
        return self._vocabulary(self.spec.head)

    def _vocabulary(self, name: str) -> Tensor:
        return self._tensor(name, (self.spec.vocab_size, self.spec.hidden_size))

    def _tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = self.checkpoint.tensor(name)
        if tensor.shape != shape:
            raise ExportError(
                f"{name} has the shape {list(tensor.shape)}, the config asks for {list(shape)}"
            )
        return tensor


def _at(name: str, layer: int | None) -> str:
    return name if layer is None else name.format(i=layer)
