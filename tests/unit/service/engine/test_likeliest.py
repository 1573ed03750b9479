from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.likeliest import likeliest


@pytest.mark.parametrize("size", [1, 100, 128, 1000, 49152, 128256 + 7])
@pytest.mark.parametrize("count", [1, 5, 20, 64, 65, 300])
def test_they_are_those_of_a_stable_sort(size: int, count: int) -> None:
    values = np.random.default_rng(size + count).standard_normal(size).astype(np.float32)
    expected = np.argsort(-values, kind="stable")[:count]
    np.testing.assert_array_equal(likeliest(values, count), expected)


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_of_equals_the_first_come(seed: int, count: int) -> None:
    values = np.random.default_rng(seed).integers(0, 4, 20_000).astype(np.float32)
    expected = np.argsort(-values, kind="stable")[:count]
    np.testing.assert_array_equal(likeliest(values, count), expected)
