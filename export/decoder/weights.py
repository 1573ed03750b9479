"""A checkpoint's tensors, looked up by what the spec calls them and checked against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint, Tensor
from export.checkpoints.dequantize import dequantize
from export.decoder.spec import DecoderSpec, Linear
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a decoder. Every method raises ExportError for a missing tensor or one of
    another shape than the spec says, naming it."""

    spec: DecoderSpec
    checkpoint: Checkpoint

    def norm(self, name: str, layer: int | None) -> NDArray[np.float32]:
        """A norm's weight, float32 `[hidden_size]`."""
        return dequantize(self._tensor(_at(name, layer), (self.spec.hidden_size,)))

    def matrix(self, linear: Linear, layer: int) -> Tensor:
        """A linear's weight `[N, K]`."""
        return self._tensor(_at(linear.name, layer) + ".weight", linear.shape)

    def bias(self, linear: Linear, layer: int) -> NDArray[np.float32] | None:
        """A linear's bias, float32 `[N]`, or None if it has none."""
        if not linear.has_bias:
            return None
        return dequantize(self._tensor(_at(linear.name, layer) + ".bias", linear.shape[:1]))

    def embedding(self) -> Tensor:
        """`[vocab_size, hidden_size]`."""
        return self._vocabulary(self.spec.weights.embedding)

    def head(self) -> Tensor:
        """`[vocab_size, hidden_size]`, where it is not tied to the embedding."""
        return self._vocabulary(self.spec.weights.head)

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
