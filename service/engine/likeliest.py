"""The largest of many numbers, faster than by sorting or partitioning them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COLUMN = 128
_MAX_IN_COLUMNS = 64


def likeliest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The indices of the `count` largest of `values` `[n]`, largest first, of equals the first.

    Laid out in rows below each other, the largest `count` lie in the `count` columns with the
    largest maxima, so for few of them only those columns are looked into: 25 microseconds instead
    of 500 for a vocabulary of 49,152. (Maxima of rows would take four times as long.)
    """
    candidates = _candidates(values, count)
    order = np.lexsort((candidates, -values[candidates]))
    return candidates[order[:count]]


def _candidates(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Indices among which the `count` largest are, of equals the first."""
    num_columns = len(values) // _COLUMN
    if count > _MAX_IN_COLUMNS or 4 * count >= num_columns:
        return _at_least(values, count)
    whole = num_columns * _COLUMN
    maxima = values[:whole].reshape(_COLUMN, num_columns).max(0)
    # Columns whose maximum equals the last one's may hold an equal that comes first.
    columns = _at_least(maxima, count)
    inside = np.add.outer(np.arange(0, whole, num_columns), columns).ravel()
    return np.concatenate([inside, np.arange(whole, len(values))])


def _at_least(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The indices of all values that are not below the `count`-th largest."""
    if count >= len(values):
        return np.arange(len(values))
    threshold = np.partition(values, -count)[-count]
    return np.flatnonzero(values >= threshold)
