"""From logits to the next token: adjustments and a draw, composed once per request.

Every row is sampled by itself with its own generator, so that a request's tokens do not depend
on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.engine.adjustments import make_adjustments
from service.engine.bitmask import Bits, is_allowed, mask_logits, single_token
from service.engine.likeliest import likeliest
from service.engine.request import Request, SamplingParams

Logits = NDArray[np.float32]
Draw = Callable[[Logits], int]
"""Takes the logits of one row, float32 `[vocab_size]`, and gives a token id."""


class Sampler(Protocol):
    """As a draw, among the tokens that the bits allow; all without."""

    def __call__(self, logits: Logits, allowed: Bits | None = None) -> int: ...


SAMPLER_VERSION = 2
"""Raised whenever the same seed may draw other tokens than before."""

_GREEDY_BELOW = 1e-5
"""A temperature this close to zero is zero: dividing by it would overflow float32."""

_NUCLEUS_THRESHOLDS = (1e-2, 1e-4, 1e-7)
"""Probabilities, relative to the largest, below which tokens are left out of the sort at first."""

_CHUNK = 128

_NUM_SEEDS = 1 << 64


def make_sampler(request: Request) -> Sampler:
    """The sampler of one request. It keeps state (its generator, counts): use it for one only."""
    draw = _make_draw(request.sampling)
    adjustments = make_adjustments(request)
    is_likeliest = draw is greedy and not adjustments

    def choose(logits: Logits, allowed: Bits | None) -> int:
        # A form mostly allows what the model would say anyway, and masks cost more than a look.
        if is_likeliest:
            token_id = greedy(logits)
            if allowed is None or is_allowed(allowed, token_id):
                return token_id
        if allowed is not None and (only := single_token(allowed)) is not None:
            return only
        if adjustments or allowed is not None:
            logits = logits.copy()
        for adjustment in adjustments:
            adjustment.apply(logits)
        if allowed is not None:
            mask_logits(logits, allowed)
        return draw(logits)

    def sample(logits: Logits, allowed: Bits | None = None) -> int:
        token_id = choose(logits, allowed)
        for adjustment in adjustments:
            adjustment.note(token_id)
        return token_id

    return sample


def greedy(logits: Logits) -> int:
    """The likeliest token, the first of equals."""
    return int(logits.argmax())


def _make_draw(params: SamplingParams) -> Draw:
    if params.temperature < _GREEDY_BELOW or params.top_p <= 0 or params.top_k == 1:
        return greedy
    generator = _generator(params)
    temperature = np.float32(params.temperature)

    def draw(logits: Logits) -> int:
        peak = logits.max()
        if not np.isfinite(peak):
            return greedy(logits)
        weights = np.exp((logits - peak) / temperature)
        if params.min_p > 0:
            # The likeliest weighs 1, so weights are probabilities relative to it.
            weights[weights < np.float32(params.min_p)] = 0
        point = generator.random()
        if params.top_k > 0:
            order = likeliest(weights, params.top_k)
            return _draw_ordered(weights, order, params.top_p, point)
        if params.top_p >= 1:
            return _draw(weights, point)
        return _draw_nucleus(weights, params.top_p, point)

    return draw


def _generator(params: SamplingParams) -> np.random.Generator:
    if params.seed is None:
        return np.random.Generator(np.random.PCG64())
    # numpy takes no negative seeds.
    seed = params.seed % _NUM_SEEDS
    spawn_key = (params.choice,) if params.choice else ()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def _draw(weights: Logits, point: float) -> int:
    """The token at `point` of [0, 1) along the weights laid end to end.

    Summed in two levels: a cumulative sum over the whole vocabulary would take longer than all
    the rest.
    """
    starts = np.arange(0, len(weights), _CHUNK)
    sums = np.add.reduceat(weights, starts, dtype=np.float64).cumsum()
    target = point * sums[-1]
    chunk = min(int(sums.searchsorted(target, "right")), len(starts) - 1)
    before = sums[chunk - 1] if chunk else 0.0
    inside = weights[starts[chunk] : starts[chunk] + _CHUNK].cumsum(dtype=np.float64)
    # Rounding may put the target at the very end, behind which only weights of zero can follow.
    target = min(target - before, np.nextafter(inside[-1], 0))
    return int(starts[chunk]) + int(inside.searchsorted(target, "right"))


def _draw_nucleus(weights: Logits, top_p: float, point: float) -> int:
    """Draws among the fewest likeliest tokens whose probabilities reach `top_p`."""
    wanted = top_p * float(weights.sum(dtype=np.float64))
    candidates = _candidates(weights, wanted)
    order = candidates[np.argsort(-weights[candidates], kind="stable")]
    sums = weights[order].cumsum(dtype=np.float64)
    return _draw_below(order, sums, wanted, point)


def _draw_ordered(weights: Logits, order: NDArray[np.intp], top_p: float, point: float) -> int:
    """Draws among the tokens of `order`, likeliest first, whose probabilities, of all in
    `order`, reach `top_p`."""
    sums = weights[order].cumsum(dtype=np.float64)
    return _draw_below(order, sums, top_p * float(sums[-1]), point)


def _draw_below(
    order: NDArray[np.intp], sums: NDArray[np.float64], wanted: float, point: float
) -> int:
    last = min(int(sums.searchsorted(wanted)), len(order) - 1)
    index = int(sums[: last + 1].searchsorted(point * sums[last], "right"))
    return int(order[min(index, last)])


def _candidates(weights: Logits, wanted: float) -> NDArray[np.intp]:
    """All tokens above some threshold, low enough that their weights reach `wanted`."""
    for threshold in _NUCLEUS_THRESHOLDS:
        candidates = np.flatnonzero(weights >= threshold)
        if weights[candidates].sum(dtype=np.float64) >= wanted:
            return candidates
    return np.arange(len(weights))
