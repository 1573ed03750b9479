from __future__ import annotations

import numpy as np
import pytest

from export.decoder.noise import is_negligible

MADE = np.full((2, 4), 3.0, np.float32)


@pytest.mark.parametrize(("share", "expected"), [(0.0, True), (0.009, True), (0.011, False)])
def test_a_hundredth_of_the_power_is_negligible(share: float, expected: bool) -> None:
    assert is_negligible(np.sqrt(share) * MADE, MADE) is expected


def test_steps_that_are_no_numbers_are_not_negligible() -> None:
    assert not is_negligible(np.full((2, 4), np.nan), MADE)
    assert not is_negligible(MADE, np.full((2, 4), np.nan))
