"""Answers held to a schema: what that costs, what forced tokens save, and beside llama.cpp."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from bench.child import Child, child
from bench.core_distance import CoreDistance, core_distance
from bench.pausing import paused
from bench.report import Measurement, Reach, Rival
from bench.rivals.llamacpp import http_server
from bench.service_process import running_service
from bench.setup import CLIENTS, Setup, Variant
from bench.structured_engine import StructuredEngine
from bench.structured_hostile import measure_hostile
from bench.structured_load import Case, FormReport, measure_forms
from bench.structured_schemas import ASKED

VARIANTS = (Variant.DEFAULT,)

MAX_TOKENS = 128
NUM_SEEDED = 200
TEMPERATURES = (0.0, 1.0, 1.5)
_RIVAL = "llama.cpp's server"

_RATES_PER_ROUND = 3
"""Two rates of one engine differ by less than each does from one second to the next."""


def measure(setup: Setup) -> list[Measurement]:
    return [*_engine(setup), *_servers(setup), *_hostile(setup)]


def _engine(setup: Setup) -> list[Measurement]:
    """Each round with and without in turn, after a round that is not counted."""
    make = partial(StructuredEngine, setup.package(Variant.DEFAULT), setup.threads, CLIENTS)
    answer, compile_ms = StructuredEngine.answer_rate, StructuredEngine.compile_ms
    with child(make) as engine, core_distance() as cores:
        rates = [_rates(engine, cores) for _ in range(_RATES_PER_ROUND * setup.rounds + 1)]
        rounds = [
            (
                engine.call(answer, forces=True),
                engine.call(answer, forces=False),
                engine.call(compile_ms, cached=False),
                engine.call(compile_ms, cached=True),
            )
            for _ in range(setup.rounds + 1)
        ]
    held, free = zip(*rates[1:], strict=True)
    forced, chosen, cold, cached = zip(*rounds[1:], strict=True)
    return [
        Measurement(
            f"constrained decode, {CLIENTS} sequences",
            "tok/s",
            held,
            Rival("unconstrained", free),
            Reach("ratio_at_least", 0.97),
        ),
        Measurement(
            "FriendList answer, forced tokens at once",
            "tok/s",
            forced,
            Rival("each sampled", chosen),
            Reach("ratio_at_least", 1.5),
        ),
        Measurement("FriendList compiled, cold", "ms", cold, reach=Reach("at_most", 10)),
        Measurement("FriendList compiled, cached", "ms", cached, reach=Reach("at_most", 1)),
    ]


def _rates(engine: Child[StructuredEngine], cores: CoreDistance) -> tuple[float, float]:
    """Held to a form, and not."""
    cores.wait_until_near()
    rate = StructuredEngine.decode_rate
    return engine.call(rate, CLIENTS, held=True), engine.call(rate, CLIENTS, held=False)


def _servers(setup: Setup) -> list[Measurement]:
    """The same schemas and prompts, likeliest tokens; then our seeded answers alone."""
    model = str(setup.package(Variant.DEFAULT).name)
    cases = [Case(name, 0.0, 0) for name in ASKED]
    with ExitStack() as stack:
        service = stack.enter_context(running_service(setup.models, setup.threads))

        def load(url: str) -> FormReport:
            return measure_forms(url, model, cases, CLIENTS, MAX_TOKENS)

        load(service.url)
        ours = stack.enter_context(paused(service.pid))
        server = stack.enter_context(http_server(setup.gguf(), setup.threads, CLIENTS))
        load(server.url)
        theirs = stack.enter_context(paused(server.pid))
        rounds = []
        for _ in range(setup.slow_rounds):
            with ours.awake():
                mine = load(service.url)
            with theirs.awake():
                rounds.append((mine, load(server.url)))
        with ours.awake():
            seeded = measure_forms(service.url, model, seeded_cases(), CLIENTS, MAX_TOKENS)
    return [*_beside(rounds), *_seeded(seeded)]


def _hostile(setup: Setup) -> list[Measurement]:
    """The rate of a stream is that of the median time between its tokens."""
    model = str(setup.package(Variant.DEFAULT).name)
    with running_service(setup.models, setup.threads) as service:
        measure_hostile(service.url, model, -1)
        reports = [measure_hostile(service.url, model, turn) for turn in range(setup.slow_rounds)]
    return [
        Measurement(
            "a stream beside hostile schemas",
            "tok/s",
            tuple(1000 / each.beside_ms for each in reports),
            Rival("alone", tuple(1000 / each.alone_ms for each in reports)),
            Reach("ratio_at_least", 1 / 1.2),
        ),
        Measurement(
            "the slowest answer to one",
            "s",
            tuple(each.slowest_s for each in reports),
            reach=Reach("at_most", 2),
        ),
    ]


def seeded_cases() -> list[Case]:
    """The schemas in turn, each with seeds and temperatures of its own."""
    names = [*ASKED]
    return [
        Case(names[index % len(names)], TEMPERATURES[index // len(names) % 3], index)
        for index in range(NUM_SEEDED)
    ]


def _beside(rounds: list[tuple[FormReport, FormReport]]) -> list[Measurement]:
    ours, theirs = zip(*rounds, strict=True)
    return [
        Measurement(
            f"{CLIENTS} HTTP clients, ten schemas",
            "tok/s",
            tuple(load.rate for load in ours),
            Rival(_RIVAL, tuple(load.rate for load in theirs)),
        ),
        Measurement(
            "finished answers that validate",
            "%",
            tuple(load.valid_percent for load in ours),
            Rival(_RIVAL, tuple(load.valid_percent for load in theirs)),
        ),
    ]


def _seeded(report: FormReport) -> list[Measurement]:
    name = f"{NUM_SEEDED} seeded answers at temperatures 0, 1, 1.5"
    return [
        Measurement(f"{name}: finished", "answers", (float(report.num_finished),)),
        Measurement(
            f"{name}: finished and invalid",
            "answers",
            (float(report.num_finished - report.num_valid),),
            reach=Reach("at_most", 0),
        ),
    ]
