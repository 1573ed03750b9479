"""The engine over a runner whose logits depend on all that its slots hold."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine.engine import Engine
from service.engine.kv_cache import Move
from service.engine.request import Request, SamplingParams
from tests.unit.service.engine.requests import GREEDY, SEEDED, make_request
from tests.unit.service.engine.slot_model import VOCAB_SIZE, SlotRunner
from tests.unit.service.engine.workload import (
    checked_step,
    run_to_end,
    run_under_load,
    seeded,
    tokens_alone,
)


class BrokenRunner(SlotRunner):
    """Raises where `poison` is to be computed; gives NaN behind `nan`."""

    def __init__(self, *, num_slots: int, poison: int = -1, nan: int = -1) -> None:
        super().__init__(num_slots=num_slots)
        self.poison = poison
        self.nan = nan
        self.fails_to_move = False

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        if self.poison in token_ids:
            raise RuntimeError("the prefill failed")
        super().prefill(slot, start, token_ids)

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        if any(request.last_token_id == self.poison for request in requests):
            raise RuntimeError("the decode failed")
        logits = super().decode(requests)
        for row, request in zip(logits, requests, strict=True):
            if request.last_token_id == self.nan:
                row[3] = np.nan
        return logits

    def move(self, move: Move) -> None:
        if self.fails_to_move:
            raise RuntimeError("the move failed")
        super().move(move)


def _prompts(rng: random.Random, count: int) -> list[list[int]]:
    """Prompts of which many share a beginning, some of one token."""
    texts = [[rng.randrange(VOCAB_SIZE) for _ in range(700)] for _ in range(3)]
    return [
        rng.choice(texts)[: rng.choice((1, 2, 3, 9, 30, 257, 258, 600))]
        + [rng.randrange(VOCAB_SIZE) for _ in range(rng.randrange(3))]
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_seeded_requests_under_load_give_what_they_give_alone(seed: int) -> None:
    rng = random.Random(seed)
    requests = [
        make_request(
            prompt,
            max_tokens=rng.randrange(1, 20),
            sampling=rng.choice([seeded(index), SamplingParams(0, seed=1), GREEDY]),
            stop=frozenset({5}),
        )
        for index, prompt in enumerate(_prompts(rng, 40))
    ]
    aborted = set(rng.sample(requests, 8))
    engine = Engine(SlotRunner(num_slots=5))
    outputs = run_under_load(engine, requests, aborted, rng)
    assert not any(output.failed for output in outputs)
    for request in requests:
        if not request.needs_exact_cache:
            continue
        alone = tokens_alone(SlotRunner(num_slots=1), request)
        if request in aborted:
            alone = alone[: len(request.output_token_ids)]
        assert request.output_token_ids == alone


@pytest.mark.parametrize("seed", range(4))
def test_unseeded_requests_do_not_depend_on_neighbours_either(seed: int) -> None:
    """Their prompts share nothing, so no decoded token is reused."""
    rng = random.Random(seed)
    requests = [
        make_request([index, *(rng.randrange(32) for _ in range(rng.randrange(300)))], max_tokens=9)
        for index in range(20)
    ]
    run_under_load(Engine(SlotRunner(num_slots=4)), requests, set(), rng)
    for request in requests:
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)


def test_the_next_turn_of_a_chat_starts_behind_the_last_answer() -> None:
    engine = Engine(SlotRunner(num_slots=4))
    first = make_request(range(30), max_tokens=10)
    run_to_end(engine, [first, make_request([9] * 50)])
    turn = make_request([*range(30), *first.output_token_ids, 1, 2, 3])
    run_to_end(engine, [turn])
    assert turn.num_cached_tokens == 39


def test_outputs_are_the_tokens_and_the_last_has_a_reason() -> None:
    engine = Engine(SlotRunner(num_slots=2))
    request = make_request(range(10), max_tokens=5)
    outputs = run_to_end(engine, [request])
    assert [output.token_id for output in outputs] == request.output_token_ids
    assert [output.finish_reason for output in outputs] == [None] * 4 + ["length"]


def test_a_stop_token_ends_and_is_among_the_tokens() -> None:
    alone = tokens_alone(SlotRunner(num_slots=1), make_request(range(10), max_tokens=9))
    request = make_request(range(10), max_tokens=9, stop=frozenset({alone[4]}))
    outputs = run_to_end(Engine(SlotRunner(num_slots=1)), [request])
    assert request.output_token_ids == alone[: alone.index(alone[4]) + 1]
    assert outputs[-1].finish_reason == "stop"


def test_a_slot_can_be_filled_to_its_last_token_but_one() -> None:
    """The context holds prompt and answer; the last token is never computed."""
    runner = SlotRunner(num_slots=2, slot_length=64)
    request = make_request(range(40), max_tokens=24)
    run_to_end(Engine(runner), [request])
    assert len(request.output_token_ids) == 24
    assert max(map(len, runner.slots.contents)) == 63


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED])
def test_a_failed_prefill_fails_its_request_alone(sampling: SamplingParams) -> None:
    runner = BrokenRunner(num_slots=4, poison=77)
    others = [make_request([index] * 20, max_tokens=8, sampling=sampling) for index in range(3)]
    broken = make_request([*range(300), 77, 1, 2], sampling=sampling)
    outputs = run_to_end(Engine(runner), [others[0], broken, *others[1:]])
    assert [output.request for output in outputs if output.failed] == [broken]
    for request in others:
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)


def test_a_prefill_that_fails_between_two_rows_leaves_them_their_tokens() -> None:
    runner = BrokenRunner(num_slots=3, poison=77)
    engine = Engine(runner)
    rows = [make_request([index] * 20, max_tokens=12) for index in range(3)]
    for request in rows:
        engine.add(request)
        checked_step(engine)
    broken = make_request([*range(20), 77, 1])
    engine.abort(rows[1])
    engine.add(broken)
    outputs = checked_step(engine)
    assert [output.request for output in outputs if output.failed] == [broken]
    assert not any(output.failed for output in run_to_end(engine))
    for request in (rows[0], rows[2]):
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)


def test_a_failed_prefill_is_not_reused() -> None:
    runner = BrokenRunner(num_slots=1, poison=77)
    engine = Engine(runner)
    run_to_end(engine, [make_request([*range(300), 77, 1, 2])])
    runner.poison = -1
    request = make_request([*range(300), 77, 1, 2], sampling=SEEDED)
    run_to_end(engine, [request])
    assert request.num_cached_tokens == 0
    assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)


def test_a_failed_decode_fails_its_batch_and_not_those_who_wait() -> None:
    runner = BrokenRunner(num_slots=2, poison=77)
    broken, neighbour = make_request([3] * 20 + [77]), make_request([4] * 20)
    waiting = make_request([5] * 20, max_tokens=6)
    engine = Engine(runner)
    for request in (neighbour, broken, waiting):
        engine.add(request)
    outputs = run_to_end(engine)
    assert {output.request for output in outputs if output.failed} == {broken, neighbour}
    assert waiting.output_token_ids == tokens_alone(SlotRunner(num_slots=1), waiting)


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED])
def test_logits_that_are_no_numbers_fail_their_row_alone(sampling: SamplingParams) -> None:
    runner = BrokenRunner(num_slots=3, nan=77)
    broken = make_request([*range(20), 77], sampling=sampling)
    others = [make_request([index] * 20, max_tokens=8, sampling=sampling) for index in range(2)]
    engine = Engine(runner)
    outputs = run_to_end(engine, [others[0], broken, others[1]])
    assert [output.request for output in outputs if output.failed] == [broken]
    assert broken.output_token_ids == []
    for request in others:
        assert request.output_token_ids == tokens_alone(SlotRunner(num_slots=1), request)
    again = make_request(range(21), sampling=sampling)
    run_to_end(engine, [again])
    assert again.num_cached_tokens == 0


def test_after_a_broken_step_all_fail_and_nothing_kept_is_trusted() -> None:
    runner = BrokenRunner(num_slots=4)
    engine = Engine(runner)
    # The middle of three rows ends, so the next step has to move one of the others.
    rows = [make_request([index] * 20, max_tokens=3 if index == 1 else 30) for index in range(3)]
    for request in rows:
        engine.add(request)
    while rows[1].slot is not None or len(rows[2].output_token_ids) < 2:
        checked_step(engine)
    runner.fails_to_move = True
    with pytest.raises(RuntimeError, match="move failed"):
        engine.step()
    failed = [output.request for output in engine.fail_all() if output.failed]
    assert failed == [rows[0], rows[2]]
    runner.fails_to_move = False
    assert not engine.has_work
    again = make_request([*[1] * 20, 2, 2], sampling=SEEDED)
    run_to_end(engine, [again])
    assert again.num_cached_tokens == 0
    assert again.output_token_ids == tokens_alone(SlotRunner(num_slots=1), again)


def test_aborting_is_over_at_once_and_may_be_repeated() -> None:
    engine = Engine(SlotRunner(num_slots=1))
    request, waiting = make_request(range(10), max_tokens=50), make_request([3] * 9)
    engine.add(request)
    engine.add(waiting)
    checked_step(engine)
    engine.abort(request)
    engine.abort(request)
    outputs = run_to_end(engine)
    assert {output.request for output in outputs} == {waiting}
    engine.abort(waiting)
    assert not engine.has_work
    assert not engine._samplers, "what is allocated per request is freed with it"
