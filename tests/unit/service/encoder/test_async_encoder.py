"""The thread between requests and the runner: failures stay with those who were in the batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from service.encoder.async_encoder import AsyncEncoder
from service.encoder.batching import BatchLimits
from service.encoder.tokens import Tokens
from service.errors import EngineFailure, Overloaded, ShuttingDown

pytestmark = pytest.mark.anyio

POISON = 666


class Lengths:
    """Makes of each sequence its length, and fails on batches that hold `POISON`."""

    width = 1

    def __init__(self) -> None:
        self.batches: list[int] = []

    def close(self) -> None:
        pass

    def run(self, batch: Sequence[Tokens]) -> NDArray[np.float32]:
        self.batches.append(len(batch))
        if any(POISON in tokens.token_ids for tokens in batch):
            raise RuntimeError("poisoned")
        return np.array([[len(tokens)] for tokens in batch], np.float32)


def sequence(length: int, token_id: int = 1) -> Tokens:
    return Tokens([token_id] * length, length)


@asynccontextmanager
async def opened(runner: Lengths, max_requests: int = 8) -> AsyncIterator[AsyncEncoder]:
    encoder = AsyncEncoder(
        runner,  # type: ignore[arg-type]
        BatchLimits(max_tokens=32, max_padding=2),
        asyncio.get_running_loop(),
        max_requests=max_requests,
    )
    try:
        yield encoder
    finally:
        await encoder.close()


async def test_results_come_in_the_order_of_the_request() -> None:
    async with opened(Lengths()) as encoder:
        lengths = [3, 20, 1, 7, 20, 2]
        result = await encoder.encode([sequence(length) for length in lengths])
        assert result[:, 0].tolist() == lengths


async def test_a_failure_is_that_of_its_batch_only() -> None:
    async with opened(Lengths()) as encoder:
        results = await asyncio.gather(
            encoder.encode([sequence(5, POISON), sequence(30)]),
            encoder.encode([sequence(20)]),
            return_exceptions=True,
        )
        assert isinstance(results[0], EngineFailure)
        assert not isinstance(results[1], BaseException)
        assert results[1].tolist() == [[20]]
        assert (await encoder.encode([sequence(4)])).tolist() == [[4]]


async def test_admission_counts_until_a_request_has_ended() -> None:
    async with opened(Lengths(), max_requests=1) as encoder:
        with encoder.admitted():
            assert encoder.num_requests == 1
            with pytest.raises(Overloaded), encoder.admitted():
                pass
        with encoder.admitted():
            pass
        encoder.drain()
        with pytest.raises(ShuttingDown), encoder.admitted():
            pass


async def test_a_closed_one_refuses() -> None:
    async with opened(Lengths()) as encoder:
        await encoder.close()
        with pytest.raises(ShuttingDown):
            await encoder.encode([sequence(1)])
