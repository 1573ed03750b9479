"""Rounding once more what was rounded already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LARGEST_SHARE = 0.01
"""Of the power of the noise that the first rounding has made."""


def is_negligible(added: NDArray[np.floating], made: NDArray[np.floating]) -> bool:
    """Whether rounding in steps of `added` adds next to nothing to that in steps of `made`.

    Both errors are uniform, so that their powers are as the squares of their steps. Steps that are
    no numbers are not negligible.
    """
    powers = [np.square(steps, dtype=np.float64).mean() for steps in (added, made)]
    return bool(powers[0] <= _LARGEST_SHARE * powers[1])
