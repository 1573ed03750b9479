from __future__ import annotations

import numpy as np
import pytest

from service.encoder.pooling import POOLINGS, normalized, sigmoid
from service.store.manifest import Pooling

ROWS = np.array([[1, -4], [3, 0], [2, 10]], np.float32)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("mean", [2, 2]), ("cls", [1, -4]), ("lasttoken", [2, 10]), ("max", [3, 10])],
)
def test_each_pooling(pooling: Pooling, expected: list[float]) -> None:
    assert POOLINGS[pooling](ROWS).tolist() == expected
    assert POOLINGS[pooling](ROWS[:1]).tolist() == [1, -4]


def test_normalized_vectors_have_length_one_but_for_zero() -> None:
    vectors = np.array([[3, 4], [0, 0], [1e20, 0], [1e-6, 1e-6]], np.float32)
    result = normalized(vectors)
    assert result.dtype == np.float32
    expected = np.array([[0.6, 0.8], [0, 0], [1, 0], [0.70710677, 0.70710677]])
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_sigmoid_does_not_overflow() -> None:
    scores = sigmoid(np.array([-1e4, -1, 0, 1, 1e4], np.float32))
    np.testing.assert_allclose(scores, [0, 0.26894143, 0.5, 0.73105858, 1], atol=1e-7)
