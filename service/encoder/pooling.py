"""From the vectors of a text's tokens to the one of the text.

Text by text, so that neither the padding nor the neighbours in a batch can have a part in it.
Source: the Pooling and Normalize modules of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from service.store.manifest import Pooling

Floats = NDArray[np.float32]

_SMALLEST_NORM = 1e-12
"""Keeps a vector of zeros from being divided by zero."""


def _mean(rows: Floats) -> Floats:
    mean: Floats = rows.mean(0, dtype=np.float32)
    return mean


def _first(rows: Floats) -> Floats:
    first: Floats = rows[0]
    return first


def _last(rows: Floats) -> Floats:
    last: Floats = rows[-1]
    return last


def _max(rows: Floats) -> Floats:
    largest: Floats = rows.max(0)
    return largest


POOLINGS: Mapping[Pooling, Callable[[Floats], Floats]] = {
    "mean": _mean,
    "cls": _first,
    "lasttoken": _last,
    "max": _max,
}
"""Each takes the vectors of one text's own tokens, `[S, D]` with S from 1 on, and gives `[D]`."""


def normalized(vectors: Floats) -> Floats:
    """Each of the last axis' vectors at length 1, as L2 norm; one of zeros stays as it is."""
    norms = np.sqrt(np.square(vectors, dtype=np.float64).sum(-1, keepdims=True))
    scaled: Floats = (vectors / np.maximum(norms, _SMALLEST_NORM)).astype(np.float32)
    return scaled


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), computed where large numbers do not overflow."""
    result: Floats = (0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))).astype(np.float32)
    return result
