from __future__ import annotations

import pytest

from service.engine.kv_cache import Copy, KvCache, Swap
from service.engine.request import Request
from tests.unit.service.engine.requests import GREEDY, SEEDED, make_request

TEXT = list(range(100, 200))


def _admit(cache: KvCache, prompt: list[int], *, seeded: bool = False) -> Request:
    """A request that has a slot and is prefilled; what it copied does not matter."""
    request = make_request(prompt, sampling=SEEDED if seeded else GREEDY)
    cache.allocate(request)
    request.num_computed_tokens = request.num_prefill_tokens
    return request


def _decode(request: Request, *token_ids: int) -> None:
    for token_id in token_ids:
        request.num_computed_tokens += 1
        request.output_token_ids.append(token_id)


def _cached(cache: KvCache, prompt: list[int], *outputs: int) -> None:
    """Leaves a freed slot that holds `prompt` and all but the last of `outputs`."""
    request = _admit(cache, prompt)
    _decode(request, *outputs)
    cache.release(request)


def test_a_conversation_goes_on_in_its_slot() -> None:
    cache = KvCache(3)
    _cached(cache, TEXT[:20], 1, 2, 3)
    request = make_request([*TEXT[:20], 1, 2, 3, 50, 51, 52])
    assert cache.allocate(request) == []
    assert request.slot == 0
    assert request.num_computed_tokens == request.num_cached_tokens == 22


def test_a_branch_is_copied_and_leaves_the_longer_conversation() -> None:
    cache = KvCache(3)
    _cached(cache, TEXT[:60], 1)
    branch = make_request([*TEXT[:20], 1, 2, 3])
    assert cache.allocate(branch) == [Copy(0, 1, 20)]
    again = make_request([*TEXT[:60], 1, 2, 3])
    cache.allocate(again)
    assert again.num_cached_tokens == 60


def test_a_branch_takes_the_slot_where_there_is_no_other() -> None:
    cache = KvCache(2)
    running = _admit(cache, [7] * 30)
    _cached(cache, TEXT[:60], 1)
    branch = make_request([*TEXT[:20], 1, 2, 3])
    assert cache.allocate(branch) == []
    assert {running.slot, branch.slot} == {0, 1}
    assert branch.num_cached_tokens == 20


def test_the_prompt_of_a_running_request_is_copied() -> None:
    cache = KvCache(2)
    running = _admit(cache, TEXT[:40])
    _decode(running, 1, 2, 3)
    request = make_request([*TEXT[:40], 1, 2, 9, 9, 9])
    assert cache.allocate(request) == [Copy(0, 1, 42)]
    assert running.slot == 0


def test_tokens_not_yet_computed_are_not_reused() -> None:
    cache = KvCache(2)
    prefilling = make_request(TEXT[:40])
    cache.allocate(prefilling)
    prefilling.num_computed_tokens = 16
    request = make_request(TEXT[:40])
    assert cache.allocate(request) == [Copy(0, 1, 16)]


def test_the_last_output_was_never_computed() -> None:
    cache = KvCache(2)
    _cached(cache, TEXT[:20], 1, 2, 3)
    request = make_request([*TEXT[:20], 1, 2, 3, 4])
    cache.allocate(request)
    # 1, 2 are there; the prefill needs 1, 2, 3 and computes at least two of them.
    assert request.num_cached_tokens == 21


@pytest.mark.parametrize(("common", "reused"), [(1, 0), (7, 0), (8, 8), (9, 9)])
def test_short_beginnings_are_computed_anew(common: int, reused: int) -> None:
    cache = KvCache(2)
    _cached(cache, TEXT[:20], 1)
    request = make_request([*TEXT[:common], *range(30)])
    cache.allocate(request)
    assert request.num_cached_tokens == reused


@pytest.mark.parametrize(("num_new", "num_left"), [(1, 2), (2, 2), (3, 3), (33, 34), (65, 66)])
def test_what_is_left_does_not_end_in_a_token_alone(num_new: int, num_left: int) -> None:
    cache = KvCache(2)
    _cached(cache, TEXT[:20], 1)
    request = make_request([*TEXT[:20], *range(num_new), 99])
    cache.allocate(request)
    assert request.num_prefill_tokens - request.num_computed_tokens == num_left


@pytest.mark.parametrize("num_tokens", [1, 2, 3])
def test_the_shortest_prompts_start_at_their_beginning(num_tokens: int) -> None:
    request = make_request(TEXT[:num_tokens])
    assert KvCache(1).allocate(request) == []
    assert request.num_computed_tokens == 0


def test_the_same_prompt_again_needs_no_prefill() -> None:
    cache = KvCache(2)
    _cached(cache, TEXT[:20], 1)
    request = make_request(TEXT[:20])
    cache.allocate(request)
    assert request.is_prefilled
    assert request.num_cached_tokens == 19


def test_seeded_requests_reuse_prefilled_tokens_only() -> None:
    cache = KvCache(3)
    _cached(cache, TEXT[:20], 1, 2, 3, 4)
    prompt = [*TEXT[:20], 1, 2, 3, 4, 50, 51]
    seeded = make_request(prompt, sampling=SEEDED)
    cache.allocate(seeded)
    assert seeded.num_cached_tokens == 19


def test_unseeded_requests_reuse_decoded_tokens_too() -> None:
    cache = KvCache(3)
    _cached(cache, TEXT[:20], 1, 2, 3, 4)
    request = make_request([*TEXT[:20], 1, 2, 3, 4, 50, 51])
    cache.allocate(request)
    assert request.num_cached_tokens == 23


def test_a_slot_behind_decoded_tokens_stays_inexact() -> None:
    cache = KvCache(1)
    _cached(cache, TEXT[:20], 1, 2, 3, 4)
    _cached(cache, [*TEXT[:20], 1, 2, 3, 4, *range(40)], 5)
    seeded = make_request([*TEXT[:20], 1, 2, 3, 4, *range(40), 9], sampling=SEEDED)
    cache.allocate(seeded)
    assert seeded.num_cached_tokens == 19


def test_a_seeded_request_makes_its_slot_exact_again() -> None:
    cache = KvCache(1)
    _cached(cache, TEXT[:20], 1, 2, 3, 4)
    prompt = [*TEXT[:20], 1, 2, 3, 4, *range(40)]
    cache.release(_admit(cache, prompt, seeded=True))
    again = make_request(prompt, sampling=SEEDED)
    cache.allocate(again)
    assert again.num_cached_tokens == len(prompt) - 1


def test_exactness_is_that_of_the_copied_part() -> None:
    cache = KvCache(2)
    source = _admit(cache, TEXT[:30])
    _decode(source, 1, 2, 3, 4)
    copied = _admit(cache, [*TEXT[:30], 1, 2, 3, *range(40)])
    assert copied.num_cached_tokens == 33
    cache.release(source)
    cache.release(copied)
    seeded = make_request([*TEXT[:30], 1, 2, 3, *range(40)], sampling=SEEDED)
    cache.allocate(seeded)
    assert seeded.num_cached_tokens == 29


def test_an_aborted_prefill_counts_as_far_as_it_came() -> None:
    cache = KvCache(1)
    aborted = make_request(TEXT[:60], sampling=SEEDED)
    cache.allocate(aborted)
    aborted.num_computed_tokens = 32
    cache.release(aborted)
    seeded = make_request(TEXT[:60], sampling=SEEDED)
    cache.allocate(seeded)
    assert seeded.num_cached_tokens == 32


def test_empty_slots_are_taken_before_used_ones_and_those_by_age() -> None:
    cache = KvCache(3)
    prompts = [[value] * 20 for value in range(5)]
    running = [_admit(cache, prompt) for prompt in prompts[:2]]
    cache.release(running[1])
    cache.release(running[0])
    assert [_admit(cache, prompt).slot for prompt in prompts[2:5]] == [2, 1, 0]


def test_forgotten_contents_are_not_reused() -> None:
    cache = KvCache(1)
    failed = _admit(cache, TEXT[:40])
    cache.forget(failed)
    request = make_request(TEXT[:40])
    cache.allocate(request)
    assert request.num_cached_tokens == 0


def _rows(cache: KvCache, slots: list[int], *, lengths: dict[int, int]) -> list[Request]:
    """Running requests in `slots`; every slot holds as many tokens as `lengths` says, or 10."""
    requests = []
    for index, slot in enumerate(cache.slots):
        length = lengths.get(index, 10)
        if index in slots:
            request = make_request(range(length + 1))
            request.slot, request.num_computed_tokens = index, length
            slot.owner = request
            requests.append(request)
        else:
            slot.token_ids = list(range(length))
    return requests


@pytest.mark.parametrize("slots", [[], [2], [0, 1, 2], [3, 4], [0, 1, 2, 3, 4]])
def test_neighbours_stay_where_they_are(slots: list[int]) -> None:
    cache = KvCache(5)
    assert cache.gather(_rows(cache, slots, lengths={})) == []


def test_the_row_apart_comes_to_the_others() -> None:
    cache = KvCache(6)
    requests = _rows(cache, [0, 1, 4], lengths={4: 30, 2: 5})
    assert cache.gather(requests) == [Swap(2, 4, 30)]
    assert [request.slot for request in requests] == [0, 1, 2]
    cache.check(requests)


@pytest.mark.parametrize(
    ("lengths", "swap"),
    [
        ({0: 5000, 1: 0, 2: 5000, 3: 10}, Swap(1, 3, 10)),
        ({0: 10, 1: 0, 2: 5000, 3: 5000}, Swap(1, 0, 10)),
        ({0: 30, 1: 7000, 2: 20, 3: 10}, Swap(1, 3, 7000)),
    ],
)
def test_what_is_short_moves(lengths: dict[int, int], swap: Swap) -> None:
    cache = KvCache(4)
    requests = _rows(cache, [0, 2, 3], lengths=lengths)
    assert cache.gather(requests) == [swap]
    cache.check(requests)


def test_what_a_free_slot_keeps_moves_with_it() -> None:
    cache = KvCache(3)
    _rows(cache, [0, 2], lengths={0: 100, 1: 40, 2: 10})
    requests = [slot.owner for slot in cache.slots if slot.owner]
    assert cache.gather(requests) == [Swap(1, 2, 40)]
    assert len(cache.slots[2].token_ids) == 40


def test_a_swap_can_move_a_request_that_does_not_decode() -> None:
    cache = KvCache(3)
    requests = _rows(cache, [0, 1, 2], lengths={0: 100, 1: 40, 2: 10})
    decoding = [requests[0], requests[2]]
    assert cache.gather(decoding) == [Swap(1, 2, 40)]
    assert [request.slot for request in requests] == [0, 2, 1]
    cache.check(requests)


def test_check_finds_a_lost_owner() -> None:
    cache = KvCache(2)
    request = _admit(cache, TEXT[:10])
    cache.check([request])
    with pytest.raises(AssertionError):
        cache.check([])
    request.slot = 1
    with pytest.raises(AssertionError):
        cache.check([request])
