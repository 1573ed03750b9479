"""Eight streaming clients: our server beside our engine alone, and beside llama.cpp's server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import islice

from bench.child import child
from bench.http_load import LoadPlan, LoadReport, measure_load
from bench.pausing import paused
from bench.prompts import ENGLISH, text_windows
from bench.report import Measurement, Reach, Rival
from bench.retort_engine import RetortEngine, Work
from bench.rivals.llamacpp import http_server
from bench.service_process import running_service
from bench.setup import CLIENTS, Setup, Variant

VARIANTS = (Variant.DEFAULT,)

MAX_TOKENS = 64
REQUESTS_PER_CLIENT = 2
WORDS_PER_PROMPT = 100

_Round = tuple[LoadReport, Work, LoadReport]
"""Ours over HTTP, our engine alone, llama.cpp over HTTP: the same prompts."""


def measure(setup: Setup) -> list[Measurement]:
    """Each round gives all three the same prompts, which none of them has seen before."""
    windows = text_windows(ENGLISH.read_text("utf-8"), WORDS_PER_PROMPT)
    with ExitStack() as stack:
        run_round = _start(setup, stack, list(islice(windows, CLIENTS)))
        num_prompts = CLIENTS * REQUESTS_PER_CLIENT
        rounds = [run_round(list(islice(windows, num_prompts))) for _ in range(setup.rounds)]
    return _measurements(rounds)


def _start(setup: Setup, stack: ExitStack, warm_up: list[str]) -> Callable[[list[str]], _Round]:
    """Starts both servers and the engine, warm and paused; returns what runs a round on them."""
    package = setup.package(Variant.DEFAULT)

    def load(url: str, prompts: list[str]) -> LoadReport:
        return measure_load(LoadPlan(url, str(package.name), prompts, CLIENTS, MAX_TOKENS))

    service = stack.enter_context(running_service(setup.models, setup.threads))
    load(service.url, warm_up)
    ours = stack.enter_context(paused(service.pid))
    engine = stack.enter_context(child(partial(RetortEngine, package, setup.threads, CLIENTS)))
    engine.call(RetortEngine.serve, warm_up, CLIENTS, MAX_TOKENS)
    server = stack.enter_context(http_server(setup.gguf(), setup.threads, CLIENTS))
    load(server.url, warm_up)
    theirs = stack.enter_context(paused(server.pid))

    def run_round(prompts: list[str]) -> _Round:
        with ours.awake():
            our_load = load(service.url, prompts)
        assert our_load.cached_tokens == 0, "a prompt had been seen before"
        alone = engine.call(RetortEngine.serve, prompts, CLIENTS, MAX_TOKENS)
        with theirs.awake():
            their_load = load(server.url, prompts)
        return our_load, alone, their_load

    return run_round


def _measurements(rounds: list[_Round]) -> list[Measurement]:
    ours, alone, theirs = zip(*rounds, strict=True)
    rates = tuple(load.output_rate for load in ours)
    return [
        Measurement(
            f"{CLIENTS} HTTP clients",
            "tok/s",
            rates,
            Rival("our engine alone", tuple(work.rate for work in alone)),
            Reach("ratio_at_least", 0.9),
        ),
        Measurement(
            f"{CLIENTS} HTTP clients",
            "tok/s",
            rates,
            Rival("llama.cpp's server", tuple(load.output_rate for load in theirs)),
            Reach("ratio_at_least", 2.0),
        ),
        Measurement(
            f"{CLIENTS} HTTP clients, time to first token",
            "ms",
            tuple(load.first_token_p50_ms for load in ours),
            Rival("llama.cpp's server", tuple(load.first_token_p50_ms for load in theirs)),
        ),
    ]
