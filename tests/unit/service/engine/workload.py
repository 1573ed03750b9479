"""Driving an engine step by step."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from service.engine.engine import Engine, StepOutput
from service.engine.request import Request, SamplingParams
from service.engine.runner import Runner
from tests.unit.service.engine.requests import make_request

MakeEngine = Callable[[], Engine]


def run_to_end(engine: Engine, requests: Iterable[Request] = ()) -> list[StepOutput]:
    """Adds `requests` at once and steps until nothing is left, checking the cache each time."""
    for request in requests:
        engine.add(request)
    outputs: list[StepOutput] = []
    while engine.has_work:
        outputs += checked_step(engine)
    return outputs


def checked_step(engine: Engine) -> list[StepOutput]:
    outputs = engine.step()
    holders = [r for r in engine.scheduler.requests() if r.slot is not None]
    engine.scheduler.cache.check(holders)
    return outputs


def tokens_alone(runner: Runner, request: Request) -> list[int]:
    """What a copy of `request` gives in an engine of its own, in a fresh cache."""
    copy = make_request(
        request.prompt_token_ids,
        max_tokens=request.max_tokens,
        sampling=request.sampling,
        stop=request.stop_token_ids,
    )
    run_to_end(Engine(runner), [copy])
    return copy.output_token_ids


def run_under_load(
    engine: Engine, requests: Sequence[Request], aborted: set[Request], rng: random.Random
) -> list[StepOutput]:
    """Requests arrive at random; those in `aborted` are ended at random, finished or not."""
    arriving, leaving = list(requests), list(aborted)
    outputs: list[StepOutput] = []
    while arriving or leaving or engine.has_work:
        while arriving and rng.random() < 0.4:
            engine.add(arriving.pop(0))
        arrived = [request for request in leaving if request not in arriving]
        if arrived and rng.random() < 0.3:
            request = rng.choice(arrived)
            leaving.remove(request)
            engine.abort(request)
        outputs += checked_step(engine)
    return outputs


def seeded(seed: int) -> SamplingParams:
    return SamplingParams(temperature=1.0, top_p=0.95, seed=seed)
