from __future__ import annotations

import pytest

from service.metrics import EndedGeneration, GenerationMetrics, Histogram, Outcome


def ended(
    outcome: Outcome = "stop",
    *,
    num_output_tokens: int = 5,
    first_s: float | None = 10.2,
) -> EndedGeneration:
    return EndedGeneration(
        outcome=outcome,
        num_prompt_tokens=30,
        num_cached_tokens=20,
        num_output_tokens=num_output_tokens,
        started_s=10.0,
        first_s=first_s,
        ended_s=11.0,
    )


def test_a_histogram_counts_what_is_not_above_each_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.5, 3.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("1.0", 2), ("2.0", 3), ("+Inf", 5)]
    assert histogram.sum == 8.5


def test_an_empty_histogram_tells_nothing() -> None:
    assert Histogram((1.0,)).cumulative() == [("1.0", 0), ("+Inf", 0)]


def test_a_generation_counts_with_its_tokens_and_times() -> None:
    metrics = GenerationMetrics()
    metrics.record(ended())
    metrics.record(ended("length"))
    assert metrics.outcomes == {"stop": 1, "length": 1}
    assert (metrics.num_prompt_tokens, metrics.num_cached_tokens) == (60, 40)
    assert metrics.num_output_tokens == 10
    assert metrics.first_token_s.sum == pytest.approx(0.4)
    assert metrics.per_token_s.sum == pytest.approx(2 * 0.8 / 4)


@pytest.mark.parametrize("num_output_tokens", [0, 1])
def test_tokens_without_a_second_have_no_time_between(num_output_tokens: int) -> None:
    metrics = GenerationMetrics()
    metrics.record(ended(num_output_tokens=num_output_tokens))
    assert metrics.per_token_s.cumulative()[-1] == ("+Inf", 0)
    assert metrics.first_token_s.cumulative()[-1] == ("+Inf", 1)


@pytest.mark.parametrize("outcome", ["cancelled", "error"])
def test_what_ended_before_it_began_counts_no_tokens(outcome: Outcome) -> None:
    metrics = GenerationMetrics()
    metrics.record(ended(outcome, num_output_tokens=0, first_s=None))
    assert metrics.outcomes == {outcome: 1}
    assert metrics.num_prompt_tokens == 0
    assert metrics.first_token_s.cumulative()[-1] == ("+Inf", 0)
