"""Two random encoders that optimum exported, and what transformers computes from their weights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from service.pool import ModelPool
from service.runtime.providers import CPU, Device
from service.settings import Settings

STORE = Path(__file__).parents[3] / "golden" / "tiny_encoders"
EMBEDDER = "tiny-embedder"
RANKER = "tiny-ranker"


class Expected(msgspec.Struct):
    """`prompted` are the vectors of the texts behind `prompt`."""

    texts: list[str]
    pairs: list[tuple[str, str]]
    prompt: str
    vectors: list[list[float]]
    prompted: list[list[float]]
    scores: Annotated[list[float], msgspec.Meta(min_length=1)]

    @classmethod
    def read(cls) -> Expected:
        return msgspec.json.decode((STORE / "expected.json").read_bytes(), type=cls)


@pytest.fixture(scope="session")
def expected() -> Expected:
    return Expected.read()


@pytest.fixture
async def pool() -> AsyncIterator[ModelPool]:
    settings = Settings(models_folder=STORE, device="cpu", slots=2, max_queue=2)
    pool = ModelPool(settings, Device(CPU, "asked for"))
    yield pool
    await pool.close()


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each vector in `a` with its namesake in `b`."""
    one, other = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    result: NDArray[np.float64] = (one * other).sum(-1) / norms
    return result
