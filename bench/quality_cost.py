"""What each kind of package loses against float32, in nats per token of the English text, and how
large it is."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from bench.quality import negative_log_likelihood
from bench.report import Measurement, Reach
from bench.setup import Setup, Variant
from service.runtime.sessions import share_threads

VARIANTS = tuple(variant for variant in Variant if variant is not Variant.EMBEDDER)

LIMIT_NATS = 0.01
LIMIT_INT4_NATS = 0.05

_COMPARED = {
    Variant.DEFAULT: ("default package", LIMIT_NATS),
    Variant.INT8_PREFILL: ("int8 prefill package", LIMIT_NATS),
    Variant.INT8: ("--precision int8", None),
    Variant.INT4: ("--precision int4", LIMIT_INT4_NATS),
    Variant.FP16: ("--precision fp16", LIMIT_NATS),
}


def measure(setup: Setup) -> list[Measurement]:
    """Once: the same package on the same machine gives the same number."""
    exact = _nats(setup, Variant.FP32)
    losses = {variant: _nats(setup, variant) - exact for variant in _COMPARED}
    unit = "nats/token"
    return [
        Measurement("negative log-likelihood, float32", unit, (exact,)),
        *(
            Measurement(
                f"above float32: {name}",
                unit,
                (losses[variant],),
                reach=None if limit is None else Reach("at_most", limit),
            )
            for variant, (name, limit) in _COMPARED.items()
        ),
        *(
            Measurement(
                f"size: {name}", "MB", (setup.package(variant).manifest.weights_bytes / 1e6,)
            )
            for variant, name in _names().items()
        ),
    ]


def _names() -> dict[Variant, str]:
    return {Variant.FP32: "float32", **{key: name for key, (name, _) in _COMPARED.items()}}


def _nats(setup: Setup, variant: Variant) -> float:
    """In a process of its own: its pool of threads and its memory end with it."""
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), share_threads, (setup.threads,)
    ) as pool:
        return pool.submit(negative_log_likelihood, setup.package(variant)).result()
