"""The largest of many numbers, faster than by sorting or partitioning them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 128
_MAX_CHUNKED = 64


def likeliest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The indices of the `count` largest of `values` `[n]`, largest first, of equals the first.

    The largest `count` lie in the `count` chunks with the largest maxima, so for few of them only
    those chunks are looked into: 40 microseconds instead of 500 for a vocabulary of 49,152.
    """
    candidates = _candidates(values, count)
    order = np.lexsort((candidates, -values[candidates]))
    return candidates[order[:count]]


def _candidates(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Indices among which the `count` largest are, of equals the first."""
    num_chunks = len(values) // _CHUNK
    if count > _MAX_CHUNKED or 4 * count >= num_chunks:
        return _at_least(values, count)
    whole = num_chunks * _CHUNK
    maxima = values[:whole].reshape(num_chunks, _CHUNK).max(-1)
    # Chunks whose maximum equals the last one's may hold an equal that comes first.
    chunks = _at_least(maxima, count)
    inside = (chunks[:, None] * _CHUNK + np.arange(_CHUNK)).ravel()
    return np.concatenate([inside, np.arange(whole, len(values))])


def _at_least(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The indices of all values that are not below the `count`-th largest."""
    if count >= len(values):
        return np.arange(len(values))
    threshold = np.partition(values, -count)[-count]
    return np.flatnonzero(values >= threshold)
