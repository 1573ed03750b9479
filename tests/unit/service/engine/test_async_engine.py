from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.async_engine import AsyncEngine, TokenStream
from service.engine.kv_cache import Move
from service.engine.request import Request, SamplingParams
from service.errors import EngineFailure, Overloaded, ShuttingDown
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.engine.slot_model import SlotRunner
from tests.unit.service.engine.streams import read, running_engine
from tests.unit.service.engine.workload import seeded, tokens_alone

pytestmark = pytest.mark.anyio


class GatedRunner(SlotRunner):
    """Decodes only as often as it is let through; knows who decoded."""

    def __init__(self, *, num_slots: int) -> None:
        super().__init__(num_slots=num_slots)
        self.gate = threading.Semaphore(0)
        self.decoded: list[set[int]] = []

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        assert self.gate.acquire(timeout=10)
        self.decoded.append({request.request_id for request in requests})
        return super().decode(requests)

    def let_through(self, count: int) -> None:
        self.gate.release(count)


class PoisonedRunner(SlotRunner):
    """Cannot move anything, nor prefill the token 9."""

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        if 9 in token_ids:
            raise RuntimeError("the prefill failed")
        super().prefill(slot, start, token_ids)

    def move(self, move: Move) -> None:
        super().move(move)
        raise RuntimeError("the move failed")


def _submit(
    engine: AsyncEngine,
    prompt: Sequence[int],
    max_tokens: int = 5,
    sampling: SamplingParams = GREEDY,
) -> TokenStream:
    request = Request(engine.new_id(), list(prompt), max_tokens, frozenset(), sampling)
    (stream,) = engine.submit([request])
    return stream


async def _until_decoded(runner: GatedRunner, count: int) -> None:
    while len(runner.decoded) < count:
        await asyncio.sleep(0.001)


async def test_many_at_once_get_what_each_would_get_alone() -> None:
    async with running_engine(SlotRunner(num_slots=3), max_queue=40) as engine:
        streams = [
            _submit(engine, range(index % 7, 30), 3 + index % 5, seeded(index))
            for index in range(30)
        ]
        answers = await asyncio.gather(*(read(stream) for stream in streams))
        assert engine.num_requests == 0
    for stream, (token_ids, finish_reason) in zip(streams, answers, strict=True):
        assert token_ids == tokens_alone(SlotRunner(num_slots=1), stream.request)
        assert finish_reason == "length"


async def test_a_slow_reader_loses_nothing() -> None:
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner) as engine:
        stream = _submit(engine, range(10), 8)
        runner.let_through(8)
        while engine.num_requests:
            await asyncio.sleep(0.001)
        token_ids, finish_reason = await read(stream)
    assert token_ids == tokens_alone(SlotRunner(num_slots=1), stream.request)
    assert finish_reason == "length"


async def test_one_more_than_fit_and_may_wait_is_refused() -> None:
    runner = GatedRunner(num_slots=2)
    async with running_engine(runner, max_queue=1) as engine:
        streams = [_submit(engine, [1, 2, index]) for index in range(3)]
        with pytest.raises(Overloaded) as caught:
            _submit(engine, [5])
        assert caught.value.status == 429
        assert caught.value.retry_after_s == 2
        assert engine.num_requests == 3
        runner.let_through(100)
        await asyncio.gather(*(read(stream) for stream in streams))
        assert (await read(_submit(engine, [5])))[1] == "length"


async def test_an_abort_makes_room_at_once() -> None:
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner, max_queue=0) as engine:
        stream = _submit(engine, [1, 2])
        engine.abort(stream.request)
        engine.abort(stream.request)
        other = _submit(engine, [3, 4], 1)
        runner.let_through(100)
        assert (await read(other))[1] == "length"


async def test_an_aborted_request_decodes_at_most_the_step_under_way() -> None:
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner) as engine:
        stream, waiting = _submit(engine, [1, 2], 100), _submit(engine, [3, 4], 3)
        runner.let_through(2)
        await _until_decoded(runner, 2)
        engine.abort(stream.request)
        runner.let_through(100)
        token_ids, _ = await read(waiting)
    steps_of_aborted = sum(stream.request.request_id in rows for rows in runner.decoded)
    assert steps_of_aborted <= 3
    assert len(token_ids) == 3


async def test_a_reader_of_an_aborted_request_does_not_wait_for_ever() -> None:
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner) as engine:
        stream = _submit(engine, [1, 2], 100)
        reader = asyncio.create_task(read(stream))
        runner.let_through(1)
        await _until_decoded(runner, 1)
        engine.abort(stream.request)
        _, finish_reason = await reader
        assert finish_reason is None
        runner.let_through(100)


async def test_draining_lets_those_in_flight_finish() -> None:
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner) as engine:
        streams = [_submit(engine, [1, 2]), _submit(engine, [3, 4])]
        engine.drain()
        with pytest.raises(ShuttingDown):
            _submit(engine, [5])
        runner.let_through(100)
        for stream in streams:
            assert (await read(stream))[1] == "length"


def _engine_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "engine"}


async def test_closing_fails_what_runs_and_ends_the_thread() -> None:
    before = _engine_threads()
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner) as engine:
        streams = [_submit(engine, [1, 2], 100), _submit(engine, [3, 4])]
        runner.let_through(2)
        await _until_decoded(runner, 2)
        closing = asyncio.create_task(engine.close())
        for stream in streams:
            with pytest.raises(ShuttingDown):
                await read(stream)
        runner.let_through(100)
        await closing
        await engine.close()
        with pytest.raises(ShuttingDown):
            _submit(engine, [5])
    assert _engine_threads() <= before


async def test_a_failed_request_fails_alone() -> None:
    async with running_engine(PoisonedRunner(num_slots=2)) as engine:
        broken, other = _submit(engine, [9, 9, 9]), _submit(engine, [1, 2])
        with pytest.raises(EngineFailure):
            await read(broken)
        assert (await read(other))[1] == "length"
        assert engine.num_requests == 0


async def test_a_step_that_breaks_fails_all_and_the_engine_goes_on() -> None:
    """Copying the beginning of a running request breaks here, in the midst of the step."""
    async with running_engine(PoisonedRunner(num_slots=3)) as engine:
        prompt = [1] * 40
        streams = [_submit(engine, prompt, 1000), _submit(engine, prompt, 1000)]
        for stream in streams:
            with pytest.raises(EngineFailure):
                await read(stream)
        assert streams[0].request.output_token_ids, "the first ran before the second came"
        assert engine.num_requests == 0
        later = _submit(engine, prompt)
        assert (await read(later))[0] == tokens_alone(SlotRunner(num_slots=1), later.request)


@pytest.mark.parametrize("seed", [-1, 2**64, 2**200])
async def test_odd_seeds_do_not_end_the_thread(seed: int) -> None:
    async with running_engine(SlotRunner(num_slots=1)) as engine:
        token_ids, _ = await read(_submit(engine, [1, 2], sampling=SamplingParams(seed=seed)))
    assert len(token_ids) == 5


async def test_requests_that_belong_together_are_taken_together() -> None:
    """However many, they count as one where the queue is bounded."""
    runner = GatedRunner(num_slots=1)
    async with running_engine(runner, max_queue=1) as engine:
        group = [Request(engine.new_id(), [1, index], 1, frozenset(), GREEDY) for index in range(9)]
        streams = engine.submit(group)
        last = _submit(engine, [5], 1)
        with pytest.raises(Overloaded):
            _submit(engine, [6], 1)
        runner.let_through(10)
        assert [(await read(stream))[1] for stream in [*streams, last]] == ["length"] * 10
        again = _submit(engine, [7], 1)
        runner.let_through(1)
        await read(again)
