"""Every sequence is computed once, in batches within the limits; nobody waits for all others."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from service.encoder.batching import Batcher, BatchLimits
from service.encoder.tokens import Tokens

LIMITS = BatchLimits(max_tokens=64, max_padding=4)


def tokens(length: int) -> Tokens:
    return Tokens([1] * length, length)


def batcher(**jobs: list[int]) -> Batcher[str]:
    """Jobs by name, with the lengths of their sequences."""
    made: Batcher[str] = Batcher(LIMITS)
    for name, lengths in jobs.items():
        made.add(name, [tokens(length) for length in lengths])
    return made


def lengths(jobs: dict[str, list[int]], made: Batcher[str]) -> list[int]:
    return [jobs[place.job][place.index] for place in made.next_batch()]


@given(
    st.dictionaries(
        st.text("abc", min_size=1),
        st.lists(st.integers(1, 100), min_size=1, max_size=20),
        max_size=6,
    )
)
def test_all_are_computed_once_within_the_limits(jobs: dict[str, list[int]]) -> None:
    made = batcher(**jobs)
    seen: Counter[tuple[str, int]] = Counter()
    while made:
        batch = made.next_batch()
        seen.update((place.job, place.index) for place in batch)
        sizes = [jobs[place.job][place.index] for place in batch]
        assert len(batch) == 1 or max(sizes) * len(batch) <= LIMITS.max_tokens
        assert max(sizes) - min(sizes) <= LIMITS.max_padding
    expected = [(name, index) for name, sizes in jobs.items() for index in range(len(sizes))]
    assert seen == Counter(expected)


def test_sequences_of_similar_length_go_together_across_jobs() -> None:
    jobs = {"a": [10, 30], "b": [9, 28], "c": [60]}
    made = batcher(**jobs)
    assert lengths(jobs, made) == [30, 28]
    assert sorted(lengths(jobs, made)) == [9, 10]


def test_a_small_job_waits_for_one_batch_of_a_large_one() -> None:
    jobs = {"large": [30] * 100, "small": [5]}
    made = batcher(**jobs)
    first, second = made.next_batch(), made.next_batch()
    assert {place.job for place in first} == {"large"}
    assert [place.job for place in second] == ["small"]


def test_a_sequence_longer_than_a_batch_is_computed_alone() -> None:
    jobs = {"a": [100, 98]}
    made = batcher(**jobs)
    assert lengths(jobs, made) == [100]
    assert lengths(jobs, made) == [98]
    assert not made


def test_what_is_removed_is_not_computed() -> None:
    made = batcher(a=[5, 5], b=[5])
    made.remove("a")
    made.remove("nobody")
    assert [place.job for place in made.next_batch()] == ["b"]
    assert not made
