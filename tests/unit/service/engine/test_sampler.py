from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from service.engine.adjustments import make_adjustments
from service.engine.bitmask import allow, is_allowed, mask_logits, new_bits, single_token
from service.engine.request import SamplingParams
from service.engine.sampler import Logits, Sampler, _draw_nucleus, make_sampler
from tests.unit.service.engine.requests import make_request

DRAWS = 4000


def _logits(size: int, seed: int, spread: float = 2.0) -> Logits:
    return (spread * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


def _reference(logits: Logits, temperature: float, top_p: float) -> NDArray[np.float64]:
    """The probabilities drawn from, token by token, as the definition has them."""
    scaled = logits.astype(np.float64) / temperature
    probabilities = np.exp(scaled - scaled.max())
    probabilities /= probabilities.sum()
    kept: list[int] = []
    for token_id in sorted(range(len(logits)), key=lambda i: (-probabilities[i], i)):
        if probabilities[kept].sum() >= top_p:
            break
        kept.append(token_id)
    nucleus = np.zeros(len(logits))
    nucleus[kept] = probabilities[kept]
    total: NDArray[np.float64] = nucleus / nucleus.sum()
    return total


def _sampler(params: SamplingParams) -> Sampler:
    return make_sampler(make_request([1], sampling=params))


def _drawn(logits: Logits, params: SamplingParams, count: int = DRAWS) -> NDArray[np.int64]:
    sampler = _sampler(params)
    return np.bincount([sampler(logits) for _ in range(count)], minlength=len(logits))


def _fits(counts: NDArray[np.int64], probabilities: NDArray[np.float64]) -> bool:
    """A chi-square test, rare tokens together; wrong once in ten thousand."""
    expected = probabilities * counts.sum()
    common = expected >= 5
    observed = np.append(counts[common], counts[~common].sum()).astype(np.float64)
    wanted = np.append(expected[common], expected[~common].sum())
    statistic = ((observed - wanted) ** 2 / np.maximum(wanted, 1e-9))[wanted > 0].sum()
    freedom = max(1, int((wanted > 0).sum()) - 1)
    # Wilson and Hilferty's approximation of the chi-square quantile at 3.72 sigma.
    limit = freedom * (1 - 2 / (9 * freedom) + 3.72 * math.sqrt(2 / (9 * freedom))) ** 3
    return bool(statistic <= limit)


@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.5, 0.05])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("size", [5, 128, 300])
def test_tokens_come_as_often_as_they_should(size: int, temperature: float, top_p: float) -> None:
    logits = _logits(size, seed=size)
    counts = _drawn(logits, SamplingParams(temperature=temperature, top_p=top_p, seed=11))
    probabilities = _reference(logits, temperature, top_p)
    assert counts[probabilities == 0].sum() == 0, "outside the nucleus"
    assert _fits(counts, probabilities)


def test_the_chi_square_test_can_fail() -> None:
    logits = _logits(128, seed=1)
    counts = _drawn(logits, SamplingParams(temperature=1.0, seed=11))
    assert not _fits(counts, _reference(logits, 1.2, 1.0))


def test_all_of_a_small_nucleus_is_drawn() -> None:
    logits = np.log(np.array([0.1, 0.4, 0.05, 0.3, 0.15], np.float32))
    counts = _drawn(logits, SamplingParams(top_p=0.8, seed=3), 400)
    assert set(np.flatnonzero(counts)) == {1, 3, 4}
    counts = _drawn(logits, SamplingParams(top_p=0.7, seed=3), 400)
    assert set(np.flatnonzero(counts)) == {1, 3}


def test_the_nucleus_of_a_flat_distribution_is_wide() -> None:
    """Every token is far below any threshold relative to the sum, none relative to the peak."""
    logits = np.zeros(40_000, np.float32)
    logits[7] = 1.0
    sampler = _sampler(SamplingParams(top_p=0.5, seed=3))
    drawn = {sampler(logits) for _ in range(300)}
    assert len(drawn) > 250
    assert max(drawn) < 20_010, "of equals the first belong to the nucleus"


def test_a_steep_peak_with_a_heavy_tail() -> None:
    """The tail holds most of the probability although each of its tokens has next to none."""
    logits = np.full(49_152, -10.0, np.float32)
    logits[100] = 0.0
    counts = _drawn(logits, SamplingParams(top_p=0.99, seed=5), 2000)
    share = 1 / (1 + 49_151 * math.exp(-10))
    assert counts[100] / 2000 == pytest.approx(share / 0.99, abs=0.05)


def test_no_token_is_too_unlikely_for_a_nucleus_that_needs_it() -> None:
    weights = np.full(49_152, 9e-8, np.float32)
    weights[100] = 1.0
    assert _draw_nucleus(weights, 0.9999, 0.99) == 100
    assert _draw_nucleus(weights, 0.9999, 0.999) != 100


@pytest.mark.parametrize("size", [1, 127, 128, 129, 1000])
def test_greedy_takes_the_largest_and_the_first_of_equals(size: int) -> None:
    logits = np.zeros(size, np.float32)
    sampler = _sampler(SamplingParams(temperature=0.0))
    assert sampler(logits) == 0
    logits[size // 2 :] = 1.0
    assert sampler(logits) == size // 2


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=1e-9),
        SamplingParams(temperature=1e-5),
        SamplingParams(temperature=1e-3),
        SamplingParams(top_p=0.0),
        SamplingParams(top_p=1e-9),
    ],
)
def test_at_the_ends_the_largest_is_certain(params: SamplingParams) -> None:
    logits = _logits(1000, seed=4, spread=30)
    sampler = _sampler(params)
    assert {sampler(logits) for _ in range(50)} == {int(logits.argmax())}


@given(
    logits=npst.arrays(np.float32, st.integers(1, 400), elements=st.floats(-1e4, 1e4, width=32)),
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    seed=st.integers(-(2**63), 2**64),
)
@settings(max_examples=300, deadline=None)
def test_what_is_drawn_has_a_probability(
    logits: Logits, temperature: float, top_p: float, seed: int
) -> None:
    token_id = _sampler(SamplingParams(temperature, top_p, seed=seed))(logits)
    assert 0 <= token_id < len(logits)
    gap = float(logits.max() - logits[token_id])
    assert gap / max(temperature, 1e-5) < 110, "float32 knows no smaller probability"


@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_a_masked_token_is_never_drawn(size: int, num_masked: int, seed: int) -> None:
    logits = _logits(size, seed=size)
    logits[size - min(num_masked, size - 1) :] = -np.inf
    token_id = _sampler(SamplingParams(seed=seed))(logits)
    assert np.isfinite(logits[token_id])


@pytest.mark.parametrize("params", [SamplingParams(seed=5), SamplingParams(top_p=0.9, seed=5)])
def test_a_seed_repeats_and_another_does_not(params: SamplingParams) -> None:
    rows = [_logits(500, seed=row) for row in range(40)]

    def tokens(params: SamplingParams) -> list[int]:
        sampler = _sampler(params)
        return [sampler(row) for row in rows]

    assert tokens(params) == tokens(params)
    assert tokens(params) != tokens(SamplingParams(top_p=params.top_p, seed=6))
    unseeded = SamplingParams(top_p=params.top_p)
    assert tokens(unseeded) != tokens(unseeded)


def test_logits_are_left_as_they_were() -> None:
    logits = _logits(300, seed=2)
    before = logits.copy()
    sampler = _sampler(SamplingParams(1.0, 0.9, frequency_penalty=1, presence_penalty=1))
    for _ in range(5):
        sampler(logits)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize(("frequency", "presence"), [(0.7, 0.0), (0.0, 1.5), (0.4, 0.3), (-2, -1)])
def test_penalties_follow_the_formula(frequency: float, presence: float) -> None:
    """`logit - count * frequency - (count > 0) * presence`, over what was generated."""
    logits = _logits(12, seed=9, spread=1.0)
    sampler = _sampler(SamplingParams(0.0, frequency_penalty=frequency, presence_penalty=presence))
    counts = np.zeros(12)
    for _ in range(60):
        expected = logits - counts * frequency - (counts > 0) * presence
        token_id = sampler(logits)
        assert token_id == int(expected.argmax())
        counts[token_id] += 1


def test_penalties_change_what_is_drawn() -> None:
    """Of two tokens alike, the one drawn first is rarer the second time by exp(-1.5)."""
    logits = np.zeros(2, np.float32)
    repeats = 0
    for seed in range(DRAWS):
        sampler = _sampler(SamplingParams(presence_penalty=1.0, frequency_penalty=0.5, seed=seed))
        repeats += sampler(logits) == sampler(logits)
    counts = np.array([repeats, DRAWS - repeats])
    assert _fits(counts, _reference(np.array([-1.5, 0], np.float32), 1.0, 1.0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_no_number_is_shown_and_not_drawn_over(value: float, temperature: float) -> None:
    """The engine fails a request whose token's logit is not finite; so that one must be chosen."""
    logits = _logits(300, seed=2)
    logits[200] = value
    assert _sampler(SamplingParams(temperature, seed=1))(logits) == 200


def test_a_row_without_a_possible_token_shows_it() -> None:
    logits = np.full(300, -np.inf, np.float32)
    assert not np.isfinite(logits[_sampler(SamplingParams(seed=1))(logits)])


def test_top_k_leaves_the_k_likeliest() -> None:
    logits = _logits(300, seed=1)
    counts = _drawn(logits, SamplingParams(top_k=4, seed=5))
    kept = np.argsort(-logits, kind="stable")[:4]
    assert {*np.flatnonzero(counts)} == {*kept}
    weights = np.where(np.isin(np.arange(300), kept), np.exp(logits.astype(np.float64)), 0)
    assert _fits(counts, weights / weights.sum())


def test_top_p_is_of_what_top_k_left() -> None:
    logits = np.log(np.array([0.4, 0.3, 0.2, 0.1], np.float32))
    # Of the two likeliest the first has 4/7: it alone reaches a half.
    assert {*np.flatnonzero(_drawn(logits, SamplingParams(top_k=2, top_p=0.5, seed=2)))} == {0}
    assert {*np.flatnonzero(_drawn(logits, SamplingParams(top_k=2, top_p=0.6, seed=2)))} == {0, 1}


@pytest.mark.parametrize("others", [{}, {"top_p": 0.999}, {"top_k": 200}])
def test_min_p_leaves_out_what_is_much_less_likely(others: dict[str, float]) -> None:
    logits = _logits(300, seed=3)
    params = SamplingParams(
        min_p=0.2, seed=5, top_p=others.get("top_p", 1), top_k=int(others.get("top_k", 0))
    )
    counts = _drawn(logits, params)
    relative = np.exp(logits.astype(np.float64) - logits.max())
    assert {*np.flatnonzero(counts)} <= {*np.flatnonzero(relative >= 0.2)}
    weights = np.where(relative >= 0.2, relative, 0)
    assert _fits(counts, weights / weights.sum())


def test_a_bias_moves_and_bans() -> None:
    logits = np.array([3, 2, 1], np.float32)
    banned = SamplingParams(temperature=0, logit_bias=((0, -100), (2, 1.5)))
    assert _sampler(banned)(logits) == 2
    np.testing.assert_array_equal(logits, [3, 2, 1], err_msg="the model's logits stay")


def test_repetition_counts_the_prompt_and_the_output() -> None:
    params = SamplingParams(temperature=0, repetition_penalty=2)
    sampler = make_sampler(make_request([0], sampling=params))
    logits = np.array([4, 3, 2.5, -1], np.float32)
    assert [sampler(logits) for _ in range(3)] == [1, 2, 0]
    negative = np.array([-3, -4, -7, -9], np.float32)
    assert make_sampler(make_request([0], sampling=params))(negative) == 1


def test_no_stop_token_comes_before_its_time() -> None:
    request = make_request([0], stop=frozenset({2}))
    request.min_tokens = 2
    sampler = make_sampler(request)
    logits = np.array([0, 1, 9], np.float32)
    assert [sampler(logits) for _ in range(3)] == [1, 1, 2]


def test_choices_of_one_seed_differ_and_each_repeats() -> None:
    logits = _logits(300, seed=9)

    def drawn(choice: int) -> list[int]:
        sampler = _sampler(SamplingParams(seed=5, choice=choice))
        return [sampler(logits) for _ in range(20)]

    runs = [drawn(choice) for choice in range(4)]
    assert len({tuple(run) for run in runs}) == 4
    assert runs == [drawn(choice) for choice in range(4)]
    plain = _sampler(SamplingParams(seed=5))
    assert runs[0] == [plain(logits) for _ in range(20)]


def test_repetition_can_be_counted_among_the_last_tokens_alone() -> None:
    params = SamplingParams(temperature=0, repetition_penalty=2, repetition_window=2)
    (adjustment,) = make_adjustments(make_request([0, 1, 2], sampling=params))
    logits = np.ones((3, 4), np.float32)
    adjustment.apply(logits[0])
    assert logits[0].tolist() == [1, 0.5, 0.5, 1]
    adjustment.note(2)
    adjustment.apply(logits[1])
    assert logits[1].tolist() == [1, 1, 0.5, 1]
    adjustment.note(0)
    adjustment.apply(logits[2])
    assert logits[2].tolist() == [0.5, 1, 0.5, 1]


@given(
    npst.arrays(np.float32, 70, elements=st.sampled_from([-np.inf, -1, 0, 1, 2, np.inf, np.nan])),
    st.lists(st.integers(0, 69), unique=True, min_size=1),
)
def test_the_likeliest_under_a_mask_is_that_of_masked_logits(
    logits: Logits, token_ids: list[int]
) -> None:
    allowed = new_bits(70)
    for token_id in token_ids:
        allow(allowed, token_id)
    drawn = _sampler(SamplingParams(temperature=0))(logits, allowed)
    masked = logits.copy()
    mask_logits(masked, allowed)
    assert drawn in token_ids or np.isneginf(masked).all()
    if len(token_ids) > 1:
        assert drawn == masked.argmax()


@pytest.mark.parametrize("token_id", [0, 31, 32, 69])
def test_bits_tell_single_tokens(token_id: int) -> None:
    bits = new_bits(70)
    assert single_token(bits) is None
    allow(bits, token_id)
    assert single_token(bits) == token_id
    assert [i for i in range(70) if is_allowed(bits, i)] == [token_id]
    allow(bits, (token_id + 1) % 70)
    assert single_token(bits) is None
