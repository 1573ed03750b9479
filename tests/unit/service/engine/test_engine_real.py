"""The engine over the real model: a request's tokens are its own."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from service.engine.engine import Engine
from service.engine.request import Request, SamplingParams
from service.engine.runner import Runner
from tests.unit.service.engine.conftest import SLOT_LENGTH
from tests.unit.service.engine.pattern import Pattern
from tests.unit.service.engine.requests import GREEDY, SEEDED, make_request
from tests.unit.service.engine.workload import (
    run_to_end,
    run_under_load,
    seeded,
    tokens_alone,
)


def test_under_load_every_request_gives_what_it_gives_alone(
    runner: Runner, text_token_ids: list[int]
) -> None:
    """Arrivals, aborts, prefixes copied from running rows, rows swapped: none of it shows."""
    rng = random.Random(5)
    requests = [
        make_request(
            text_token_ids[begin : begin + rng.choice((1, 2, 3, 15, 60, 140))],
            max_tokens=rng.randrange(4, 12),
            sampling=seeded(index) if index % 2 else SamplingParams(0.0, seed=1),
        )
        for index, begin in enumerate([0, 0, 0, 0, 100, 100, 100, 200, 200, 7, 8, 9])
    ]
    alone = {request: tokens_alone(runner, request) for request in requests}
    aborted = set(rng.sample(requests, 3))
    run_under_load(Engine(runner), requests, aborted, rng)
    assert sum(request.num_cached_tokens > 0 for request in requests) >= 3
    for request in requests:
        expected = alone[request]
        if request in aborted:
            expected = expected[: len(request.output_token_ids)]
        assert request.output_token_ids == expected


def test_forced_tokens_and_their_neighbours_are_what_they_are_alone(
    runner: Runner, text_token_ids: list[int]
) -> None:
    """Those that catch up lie between others, whose rows are computed over theirs."""
    runs = {1: (5, 12), 3: (31, 3)}
    requests = [
        _held(text_token_ids, index, runs[index])
        if index in runs
        else make_request(
            text_token_ids[40 * index : 40 * index + 30], max_tokens=50, sampling=seeded(index)
        )
        for index in range(5)
    ]
    run_to_end(Engine(runner), requests)
    for index, request in enumerate(requests):
        if index in runs:
            alone = _held(text_token_ids, index, runs[index])
            run_to_end(Engine(runner), [alone])
            assert request.output_token_ids == alone.output_token_ids
            assert len(request.output_token_ids) == 4 * 3 + sum(runs[index])
        else:
            assert request.output_token_ids == tokens_alone(runner, request)


def _held(text_token_ids: Sequence[int], index: int, runs: Sequence[int]) -> Request:
    """Four sampled tokens before, between and behind runs of forced ones."""
    few = set(text_token_ids[:60])
    sets = [few] * 4
    for run in runs:
        sets += [{token_id} for token_id in text_token_ids[:run]] + [few] * 4
    request = make_request(
        text_token_ids[40 * index : 40 * index + 30], max_tokens=200, sampling=seeded(index)
    )
    request.constraint = Pattern(*sets)
    return request


def test_seeded_requests_do_not_see_what_was_cached(
    runner: Runner, text_token_ids: list[int]
) -> None:
    first = make_request(text_token_ids[:60], max_tokens=12)
    engine = Engine(runner)
    run_to_end(engine, [first])
    turn = [*first.prompt_token_ids, *first.output_token_ids, *text_token_ids[60:90]]
    request = make_request(turn, max_tokens=10, sampling=SEEDED)
    fresh = tokens_alone(runner, request)
    engine = Engine(runner)
    again = make_request(text_token_ids[:60], max_tokens=12)
    run_to_end(engine, [again])
    run_to_end(engine, [request])
    assert request.num_cached_tokens == 59
    assert request.output_token_ids == fresh


def test_float32_tokens_are_the_same_behind_a_cached_answer(
    fp32_runner: Runner, text_token_ids: list[int]
) -> None:
    engine = Engine(fp32_runner)
    first = make_request(text_token_ids[:40], max_tokens=6)
    neighbour = make_request(text_token_ids[90:110], max_tokens=8)
    run_to_end(engine, [first, neighbour])
    turn = [*first.prompt_token_ids, *first.output_token_ids, *text_token_ids[60:70]]
    request = make_request(turn, max_tokens=5)
    run_to_end(engine, [request])
    assert request.num_cached_tokens == 45
    for done in (request, neighbour):
        assert done.output_token_ids == tokens_alone(fp32_runner, done)


@pytest.mark.parametrize("num_left", [1, 3])
def test_the_end_of_the_context_ends_the_answer(
    runner: Runner, text_token_ids: list[int], num_left: int
) -> None:
    request = make_request(text_token_ids[: SLOT_LENGTH - num_left], max_tokens=num_left)
    neighbour = make_request(text_token_ids[3:40], max_tokens=12, sampling=GREEDY)
    engine = Engine(runner)
    outputs = run_to_end(engine, [neighbour, request])
    reasons = [output.finish_reason for output in outputs if output.request is request]
    assert reasons == [None] * (num_left - 1) + ["length"]
    assert neighbour.output_token_ids == tokens_alone(runner, neighbour)


def test_a_failure_leaves_the_tokens_of_others_alone(
    runner: Runner, text_token_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [make_request(text_token_ids[begin:][:30], max_tokens=8) for begin in (0, 50, 99)]
    alone = [tokens_alone(runner, request) for request in others]
    poison = 11
    broken = make_request([*text_token_ids[:300], poison, 5, 6])
    prefill = runner.prefill

    def fail_on_poison(slot: int, start: int, token_ids: Sequence[int]) -> None:
        prefill(slot, start, token_ids)
        if poison in token_ids:
            raise RuntimeError("a kernel failed")

    monkeypatch.setattr(runner, "prefill", fail_on_poison)
    outputs = run_to_end(Engine(runner), [others[0], broken, *others[1:]])
    assert [output.request for output in outputs if output.failed] == [broken]
    assert [request.output_token_ids for request in others] == alone
