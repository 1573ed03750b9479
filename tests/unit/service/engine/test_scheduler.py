from __future__ import annotations

import pytest

from service.engine.request import Request
from service.engine.scheduler import PREFILL_CHUNK_ALONE, PREFILL_CHUNK_SHARED, Scheduler, Step
from tests.unit.service.engine.requests import make_request


def _carry_out(scheduler: Scheduler, token_id: int = 1) -> Step:
    """A step in which all goes well and every row gives `token_id`."""
    step = scheduler.schedule()
    if step.prefill:
        scheduler.prefilled(step.prefill)
    for request in step.decode:
        scheduler.decoded(request, token_id)
    scheduler.cache.check(request for request in scheduler.requests() if request.slot is not None)
    return step


def _chunks(scheduler: Scheduler, request: Request) -> list[int]:
    """How many tokens of `request` each step prefills, until it decodes."""
    sizes = []
    while request not in (step := _carry_out(scheduler)).decode:
        assert step.prefill
        sizes.append(step.prefill.end - step.prefill.start)
    return [*sizes, step.prefill.end - step.prefill.start] if step.prefill else sizes


def test_a_prompt_of_one_token_decodes_at_once() -> None:
    scheduler = Scheduler(2)
    request = make_request([5])
    scheduler.add(request)
    step = scheduler.schedule()
    assert step.prefill is None
    assert step.decode == [request]


def test_the_last_chunk_and_the_first_token_share_a_step() -> None:
    scheduler = Scheduler(2)
    request = make_request(range(10))
    scheduler.add(request)
    step = _carry_out(scheduler)
    assert step.prefill is not None
    assert step.prefill.token_ids == list(range(9))
    assert request.output_token_ids == [1]


def test_long_prompts_are_cut_larger_where_nobody_waits_for_tokens() -> None:
    scheduler = Scheduler(2)
    first = make_request(range(1000, 1601), max_tokens=100)
    scheduler.add(first)
    assert _chunks(scheduler, first) == [PREFILL_CHUNK_ALONE, PREFILL_CHUNK_ALONE, 88]
    second = make_request(range(301))
    scheduler.add(second)
    assert _chunks(scheduler, second) == [PREFILL_CHUNK_SHARED, PREFILL_CHUNK_SHARED, 44]
    assert len(first.output_token_ids) == 4


@pytest.mark.parametrize("limit", [PREFILL_CHUNK_ALONE, PREFILL_CHUNK_SHARED])
def test_no_chunk_ends_in_a_token_alone(limit: int) -> None:
    """In no tile of 32 or a multiple: tokens are computed that many at a time."""
    for num_tokens in range(2, 3 * limit):
        scheduler = Scheduler(2)
        if limit == PREFILL_CHUNK_SHARED:
            scheduler.add(make_request([5], max_tokens=100))
            _carry_out(scheduler)
        request = make_request(range(num_tokens + 1))
        scheduler.add(request)
        sizes = _chunks(scheduler, request)
        assert sum(sizes) == num_tokens
        assert not [size for size in sizes if size % 32 == 1], num_tokens
        assert max(sizes) <= limit
        assert len(sizes) <= -(-num_tokens // limit) + 1


def test_first_come_first_served() -> None:
    scheduler = Scheduler(1)
    requests = [make_request([5, index], max_tokens=1) for index in range(4)]
    for request in requests:
        scheduler.add(request)
    assert [_carry_out(scheduler).decode for _ in requests] == [[request] for request in requests]
    assert not scheduler.has_work


def test_one_request_is_admitted_per_step_while_others_decode() -> None:
    scheduler = Scheduler(3)
    requests = [make_request([5, index], max_tokens=9) for index in range(3)]
    for request in requests:
        scheduler.add(request)
    assert [len(_carry_out(scheduler).decode) for _ in range(3)] == [1, 2, 3]


def test_a_gap_is_closed_before_the_others_decode() -> None:
    scheduler = Scheduler(3)
    requests = [make_request([index] * 20, max_tokens=9) for index in range(3)]
    for request in requests:
        scheduler.add(request)
        _carry_out(scheduler)
    scheduler.abort(requests[1])
    step = _carry_out(scheduler)
    assert len(step.moves) == 1
    slots = [request.slot for request in step.decode if request.slot is not None]
    assert slots == list(range(slots[0], slots[0] + 2))


def test_a_stop_token_ends_a_request_and_frees_its_slot() -> None:
    scheduler = Scheduler(1)
    request = make_request([5, 6], stop=frozenset({1}))
    scheduler.add(request)
    scheduler.schedule()
    request.num_computed_tokens = 1
    assert scheduler.decoded(request, 2) is None
    assert scheduler.decoded(request, 1) == "stop"
    assert request.slot is None
    assert scheduler.cache.has_free_slot


def test_the_last_token_allowed_may_be_a_stop_token() -> None:
    request = make_request([5], max_tokens=1, stop=frozenset({1}))
    assert request.append(1) == "stop"


def test_aborting_frees_wherever_the_request_is() -> None:
    scheduler = Scheduler(1)
    running, prefilling, waiting = (
        make_request(prompt, max_tokens=9) for prompt in ([1, 2], range(900), [3, 4])
    )
    scheduler.add(running)
    _carry_out(scheduler)
    scheduler.abort(running)
    scheduler.add(prefilling)
    scheduler.add(waiting)
    _carry_out(scheduler)
    scheduler.abort(prefilling)
    scheduler.abort(waiting)
    scheduler.abort(waiting)
    assert not scheduler.has_work
    assert scheduler.cache.has_free_slot
    scheduler.cache.check([])


def test_an_aborted_request_leaves_what_it_computed() -> None:
    scheduler = Scheduler(1)
    request = make_request(range(600))
    scheduler.add(request)
    _carry_out(scheduler)
    scheduler.abort(request)
    again = make_request(range(600))
    scheduler.add(again)
    _carry_out(scheduler)
    assert again.num_cached_tokens == PREFILL_CHUNK_ALONE


def test_a_failed_request_leaves_nothing() -> None:
    scheduler = Scheduler(1)
    request = make_request(range(600))
    scheduler.add(request)
    _carry_out(scheduler)
    scheduler.fail(request)
    again = make_request(range(600))
    scheduler.add(again)
    _carry_out(scheduler)
    assert again.num_cached_tokens == 0


def test_when_all_fail_no_slot_is_trusted() -> None:
    scheduler = Scheduler(2)
    done, running, waiting = (make_request(range(20)) for _ in range(3))
    scheduler.add(done)
    _carry_out(scheduler)
    scheduler.abort(done)
    scheduler.add(running)
    _carry_out(scheduler)
    scheduler.add(waiting)
    assert scheduler.fail_all() == [running, waiting]
    assert not scheduler.has_work
    again = make_request(range(20))
    scheduler.add(again)
    _carry_out(scheduler)
    assert again.num_cached_tokens == 0


def test_where_nothing_prefills_behind_others_a_prompt_is_one_chunk() -> None:
    scheduler = Scheduler(2, prefills_behind=False)
    request = make_request(range(2 * PREFILL_CHUNK_ALONE + 5))
    scheduler.add(request)
    assert _chunks(scheduler, request) == [2 * PREFILL_CHUNK_ALONE + 4]


@pytest.mark.parametrize(("num_new", "num_cached"), [(11, 170), (12, 0)])
def test_there_a_beginning_is_reused_if_it_is_worth_going_one_by_one(
    num_new: int, num_cached: int
) -> None:
    scheduler = Scheduler(1, prefills_behind=False)
    first = make_request(range(171), max_tokens=1)
    scheduler.add(first)
    _carry_out(scheduler)
    second = make_request([*range(170), *range(500, 500 + num_new)])
    scheduler.add(second)
    step = scheduler.schedule()
    assert second.num_cached_tokens == num_cached
    assert step.prefill is not None
    assert (step.prefill.start, step.prefill.end) == (num_cached, 169 + num_new)


def test_a_failure_of_everything_leaves_the_way_of_prefilling_as_it_was() -> None:
    scheduler = Scheduler(1, prefills_behind=False)
    scheduler.fail_all()
    request = make_request(range(PREFILL_CHUNK_ALONE + 5))
    scheduler.add(request)
    assert _chunks(scheduler, request) == [PREFILL_CHUNK_ALONE + 4]
