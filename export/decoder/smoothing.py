"""SmoothQuant (Xiao et al., 2022): moves the outliers of activations into the weights.

Dividing an input channel by `s` and multiplying the weights' column by it changes nothing in
exact arithmetic, but lets 8 bits per token hold the activations. The division costs no node: it
goes into the weight of the norm before, or into the rows of the linear that makes the channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from export.checkpoints.dequantize import dequantize
from export.decoder.parts import Experts, Linear
from export.decoder.reference import Reference, Site
from export.decoder.spec import DecoderSpec
from export.decoder.weights import Weights
from export.tokenizing import encode

Floats = NDArray[np.float32]

_STRENGTH = 0.7
"""How much of the outliers moves: 0 nothing, 1 all. The optimum measured over 0.5 to 0.85."""

_WINDOW = 512
_NUM_WINDOWS = 4

_TEXT = Path(__file__).parents[1] / "calibration.txt"


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The factors `s`, float32 `[channels]`, of each layer and site."""

    factors: Mapping[tuple[int, Site], Floats]

    def at(self, layer: int, site: Site) -> Floats:
        return self.factors[layer, site]


def site_of(spec: DecoderSpec, linear: Linear) -> Site | None:
    """Where `linear` reads its input, if that is smoothed."""
    if linear in spec.attention.inputs:
        return "attention"
    if isinstance(spec.mlp, Experts):
        return None
    if linear in spec.mlp.inputs:
        return "mlp"
    return "down" if linear == spec.mlp.down else None


def calibrate(weights: Weights, tokenizer: Tokenizer) -> Smoothing:
    """Measures the largest activations on a fixed text and balances them against the weights."""
    token_ids = encode(tokenizer, _TEXT.read_text("utf-8"))
    largest = _largest_inputs(weights, token_ids[: _WINDOW * _NUM_WINDOWS])
    return Smoothing(
        {
            (layer, site): _balance(inputs, _largest_weights(weights, layer, site))
            for (layer, site), inputs in largest.items()
        }
    )


def _largest_inputs(weights: Weights, token_ids: Sequence[int]) -> dict[tuple[int, Site], Floats]:
    """The largest magnitude each channel takes, window by window."""
    largest: dict[tuple[int, Site], Floats] = {}

    def observe(layer: int, site: Site, x: Floats) -> None:
        seen = np.abs(x).max(0)
        known = largest.get((layer, site))
        largest[layer, site] = seen if known is None else np.maximum(known, seen)

    reference = Reference(weights.spec, weights.checkpoint)
    for start in range(0, len(token_ids), _WINDOW):
        reference.hidden(token_ids[start : start + _WINDOW], observe)
    return largest


def _largest_weights(weights: Weights, layer: int, site: Site) -> Floats:
    """The largest magnitude in each column of the weights that read the site."""
    columns = [
        np.abs(dequantize(weights.matrix(linear, layer))).max(0)
        for linear in weights.spec.linears
        if site_of(weights.spec, linear) == site
    ]
    largest: Floats = np.maximum.reduce(columns)
    return largest


def _balance(inputs: Floats, columns: Floats) -> Floats:
    """`inputs ** a / columns ** (1 - a)`, scaled so that the factors' geometric mean is 1."""
    tiny = np.float32(1e-5)
    logs = _STRENGTH * np.log(np.maximum(inputs, tiny))
    logs -= (1 - _STRENGTH) * np.log(np.maximum(columns, tiny))
    factors: Floats = np.exp(logs - logs.mean(), dtype=np.float32)
    return factors
