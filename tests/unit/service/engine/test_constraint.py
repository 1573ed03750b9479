"""Constraints in the engine: masks, ends, failures, neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.bitmask import Bits, mask_logits, new_bits, single_token
from service.engine.engine import Engine
from service.engine.request import Request, SamplingParams
from tests.unit.service.engine.pattern import Pattern
from tests.unit.service.engine.requests import GREEDY, make_request
from tests.unit.service.engine.slot_model import VOCAB_SIZE, SlotRunner
from tests.unit.service.engine.workload import run_to_end, seeded, tokens_alone


def _held(constraint: Pattern, sampling: SamplingParams = GREEDY, length: int = 9) -> Request:
    request = make_request(range(length), max_tokens=20, sampling=sampling)
    request.constraint = constraint
    return request


@pytest.mark.parametrize("sampling", [GREEDY, seeded(3), SamplingParams(2.0, top_k=3, seed=1)])
def test_only_allowed_tokens_come_and_the_last_ends_it(sampling: SamplingParams) -> None:
    request = _held(Pattern({3, 30}, {5}, {1, 2, 8, 31}), sampling)
    outputs = run_to_end(Engine(SlotRunner(num_slots=1)), [request])
    first, second, third = request.output_token_ids
    assert first in {3, 30}
    assert second == 5
    assert third in {1, 2, 8, 31}
    assert [output.finish_reason for output in outputs] == [None, None, "stop"]


def test_a_stop_token_ends_it_where_it_is_allowed() -> None:
    request = _held(Pattern({4}, {9}, {4}))
    request.stop_token_ids = frozenset({9})
    run_to_end(Engine(SlotRunner(num_slots=1)), [request])
    assert request.output_token_ids == [4, 9]


def test_neighbours_without_a_constraint_get_what_they_get_alone() -> None:
    runner = SlotRunner(num_slots=3)
    free = [make_request([1, 2, index], max_tokens=6, sampling=seeded(index)) for index in range(3)]
    held = [_held(Pattern(*[{7, 8}] * 6), seeded(5)) for _ in range(3)]
    run_to_end(Engine(runner), [free[0], held[0], free[1], held[1], held[2], free[2]])
    for request in free:
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)
    assert held[0].output_token_ids == held[1].output_token_ids == held[2].output_token_ids


def test_where_all_may_come_nothing_is_masked() -> None:
    request = _held(Pattern(set(), set(), {3}))
    run_to_end(Engine(SlotRunner(num_slots=1)), [request])
    plain = make_request(range(9), max_tokens=2)
    run_to_end(Engine(SlotRunner(num_slots=1)), [plain])
    assert request.output_token_ids == [*plain.output_token_ids, 3]


def test_a_constraint_that_fails_ends_its_request_alone() -> None:
    broken = _held(Pattern({3}, {4}, fails_at=1))
    other = make_request([1, 2], max_tokens=4)
    outputs = run_to_end(Engine(SlotRunner(num_slots=2)), [broken, other])
    ends = {o.request: o for o in outputs if o.failed or o.finish_reason}
    assert ends[broken].failed
    assert ends[other].finish_reason == "length"


class _BrokenMask(Pattern):
    def fill(self, bits: Bits) -> bool:
        raise ZeroDivisionError


class _BrokenSampling(Pattern):
    def consume(self, token_id: int) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("kind", [_BrokenMask, _BrokenSampling])
def test_a_defect_in_one_requests_constraint_ends_no_other(kind: type[Pattern]) -> None:
    broken, other = _held(kind({3})), make_request([1, 2], max_tokens=4)
    engine = Engine(SlotRunner(num_slots=2))
    outputs = run_to_end(engine, [broken, other])
    assert [output.failed for output in outputs if output.request is broken] == [True]
    assert len(other.output_token_ids) == 4
    again = make_request([1, 2, 3], max_tokens=2)
    run_to_end(engine, [again])
    assert len(again.output_token_ids) == 2


def test_logprobs_stay_those_of_the_model() -> None:
    request = _held(Pattern({3}))
    request.num_logprobs = 1
    (output,) = run_to_end(Engine(SlotRunner(num_slots=1)), [request])
    plain = make_request(range(9), max_tokens=1)
    plain.num_logprobs = 1
    (free,) = run_to_end(Engine(SlotRunner(num_slots=1)), [plain])
    assert output.logprobs is not None
    assert free.logprobs is not None
    assert output.logprobs.top == free.logprobs.top
    assert output.token_id == 3


def test_an_engine_that_is_closed_has_no_thread() -> None:
    engine = Engine(SlotRunner(num_slots=1))
    run_to_end(engine, [_held(Pattern({3}))])
    engine.close()
    engine.close()


@pytest.mark.parametrize("size", [1, 31, 32, 33, 49152, 151_937])
def test_masks(size: int) -> None:
    rng = np.random.default_rng(size)
    allowed = rng.choice(size, max(1, size // 3), replace=False)
    bits = new_bits(size)
    for token_id in allowed:
        bits[token_id // 32] |= np.array(1 << (token_id % 32), np.uint32).view(np.int32)
    logits = rng.standard_normal(size).astype(np.float32)
    masked = logits.copy()
    mask_logits(masked, bits)
    assert {*np.flatnonzero(np.isfinite(masked))} == {*allowed}
    np.testing.assert_array_equal(masked[allowed], logits[allowed])


@pytest.mark.parametrize("token_id", [0, 5, 31, 32, VOCAB_SIZE * 40 + 31])
def test_a_single_token_is_seen(token_id: int) -> None:
    bits = new_bits(token_id + 1)
    assert single_token(bits) is None
    bits[token_id // 32] = np.array(1 << (token_id % 32), np.uint32).view(np.int32)
    assert single_token(bits) == token_id
    bits[0] |= 6
    assert single_token(bits) is None


class CountingRunner(SlotRunner):
    def __init__(self, *, num_slots: int) -> None:
        super().__init__(num_slots=num_slots)
        self.num_decoded = 0
        self.followed: list[int] = []

    def follow(self, slot: int, start: int, token_ids: Sequence[int]) -> NDArray[np.float32]:
        self.followed.append(len(token_ids))
        return super().follow(slot, start, token_ids)

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        self.num_decoded += len(requests)
        return super().decode(requests)


def _forced(*runs: int, **changes: object) -> Request:
    """Between free tokens, runs of forced ones."""
    sets: list[set[int]] = [{1, 2}]
    for run in runs:
        sets += [{3 + index % 20} for index in range(run)] + [{1, 2}]
    request = make_request(range(9), max_tokens=500)
    request.constraint = Pattern(*sets)
    for name, value in changes.items():
        setattr(request, name, value)
    return request


@pytest.mark.parametrize("run", [1, 2, 3, 4, 7, 31, 32, 33, 70])
def test_several_forced_tokens_are_computed_at_once(run: int) -> None:
    runner = CountingRunner(num_slots=1)
    request = _forced(run, run)
    outputs = run_to_end(Engine(runner), [request])
    assert len(request.output_token_ids) == 3 + 2 * run
    assert request.output_token_ids[1 : 1 + run] == [3 + index % 20 for index in range(run)]
    assert [output.token_id for output in outputs] == request.output_token_ids
    assert outputs[-1].finish_reason == "stop"
    if run < 3:
        assert runner.num_decoded == 3 + 2 * run
    else:
        assert runner.num_decoded + len(runner.followed) <= 3 + 2 * (run // 32 + 3)
        assert all(3 < count <= 32 for count in runner.followed)


def test_forced_tokens_end_an_output_and_count_against_its_limit() -> None:
    request = make_request(range(9), max_tokens=500)
    request.constraint = Pattern({1}, *[{5}] * 9)
    outputs = run_to_end(Engine(CountingRunner(num_slots=1)), [request])
    assert (len(outputs), outputs[-1].finish_reason) == (10, "stop")
    cut = make_request(range(9), max_tokens=6)
    cut.constraint = Pattern({1}, *[{5}] * 9)
    outputs = run_to_end(Engine(CountingRunner(num_slots=1)), [cut])
    assert (len(outputs), outputs[-1].finish_reason) == (6, "length")


def test_neighbours_of_forced_tokens_get_what_they_get_alone() -> None:
    free = [
        make_request([1, 2, index], max_tokens=30, sampling=seeded(index)) for index in range(3)
    ]
    held = [_forced(5, 6, 20), _forced(40)]
    run_to_end(Engine(SlotRunner(num_slots=5)), [free[0], held[0], free[1], held[1], free[2]])
    for request in free:
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)
    for request, runs in zip(held, ((5, 6, 20), (40,)), strict=True):
        alone = _forced(*runs)
        run_to_end(Engine(SlotRunner(num_slots=1)), [alone])
        assert request.output_token_ids == alone.output_token_ids


def test_forced_tokens_that_cannot_be_computed_end_their_request_alone() -> None:
    class BrokenRunner(SlotRunner):
        def follow(self, slot: int, start: int, token_ids: Sequence[int]) -> NDArray[np.float32]:
            raise RuntimeError("out of memory")

    free = [make_request([1, 2, index], max_tokens=20) for index in range(2)]
    held = _forced(5)
    outputs = run_to_end(Engine(BrokenRunner(num_slots=3)), [free[0], held, free[1]])
    assert [output.request for output in outputs if output.failed] == [held]
    assert len(held.output_token_ids) == 6
    for request in free:
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)


@pytest.mark.parametrize(
    "changes",
    [{"num_logprobs": 0}, {"sampling": SamplingParams(0, repetition_penalty=1.1)}],
)
def test_where_each_token_must_be_looked_at_none_is_skipped(changes: dict[str, object]) -> None:
    runner = CountingRunner(num_slots=1)
    request = _forced(9, **changes)
    run_to_end(Engine(runner), [request])
    assert runner.num_decoded == len(request.output_token_ids) == 11


def test_what_was_forced_is_reused_by_the_next_turn() -> None:
    engine = Engine(SlotRunner(num_slots=1))
    first = _forced(20)
    run_to_end(engine, [first])
    turn = make_request([*first.prompt_token_ids, *first.output_token_ids, 5], max_tokens=1)
    run_to_end(engine, [turn])
    assert turn.num_cached_tokens >= turn.num_prefill_tokens - 3
