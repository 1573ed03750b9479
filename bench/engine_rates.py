"""Decode and prefill rates of the engine alone, beside llama.cpp on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.child import Child, child
from bench.core_distance import CoreDistance, core_distance
from bench.report import Measurement, Reach, Rival
from bench.retort_engine import RetortEngine
from bench.rivals.llamacpp import LlamaCppEngine
from bench.setup import Setup, Variant

VARIANTS = (Variant.DEFAULT, Variant.INT8_PREFILL)
RIVAL = "llama.cpp Q4_1"


@dataclass(frozen=True, slots=True)
class _Rate:
    """One figure: how each side is asked for it, in tokens per second."""

    name: str
    at_least: float
    ours: Callable[[], float]
    theirs: Callable[[], float]


def measure(setup: Setup) -> list[Measurement]:
    """All rates once per round, ours and the rival's in turn, after a round that is not counted."""
    with (
        core_distance() as cores,
        child(partial(RetortEngine, setup.package(Variant.DEFAULT), setup.threads)) as default,
        child(partial(RetortEngine, setup.package(Variant.INT8_PREFILL), setup.threads)) as int8,
        child(partial(LlamaCppEngine, setup.gguf(), setup.threads)) as rival,
    ):
        rates = _rates(default, int8, rival)
        rounds = [[_pair(rate, cores) for rate in rates] for _ in range(setup.rounds + 1)]
    columns = zip(*rounds[1:], strict=True)
    return [_measurement(rate, column) for rate, column in zip(rates, columns, strict=True)]


def _pair(rate: _Rate, cores: CoreDistance) -> tuple[float, float]:
    cores.wait_until_near()
    return rate.ours(), rate.theirs()


def _rates(
    default: Child[RetortEngine], int8: Child[RetortEngine], rival: Child[LlamaCppEngine]
) -> list[_Rate]:
    def decode(num_sequences: int, at_least: float) -> _Rate:
        return _Rate(
            f"decode, {num_sequences} sequence{'s' * (num_sequences > 1)}, context 128",
            at_least,
            lambda: default.call(RetortEngine.decode_rate, num_sequences),
            lambda: rival.call(LlamaCppEngine.decode_rate, num_sequences),
        )

    def prefill(name: str, engine: Child[RetortEngine], at_least: float) -> _Rate:
        return _Rate(
            f"prefill, 512 tokens, {name}",
            at_least,
            lambda: engine.call(RetortEngine.prefill_rate, 512),
            lambda: rival.call(LlamaCppEngine.prefill_rate, 512),
        )

    return [
        decode(1, 1.1),
        decode(8, 2.0),
        prefill("default package", default, 2.5),
        prefill("int8 prefill package", int8, 4.5),
    ]


def _measurement(rate: _Rate, rounds: tuple[tuple[float, float], ...]) -> Measurement:
    ours, theirs = zip(*rounds, strict=True)
    return Measurement(
        rate.name,
        "tok/s",
        ours,
        Rival(RIVAL, theirs),
        Reach("ratio_at_least", rate.at_least),
    )
