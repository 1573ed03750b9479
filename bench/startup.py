"""From starting `python -m service` to the first token it serves."""

from __future__ import annotations

import time

from bench.http_load import LoadPlan, run_load
from bench.report import Measurement, Reach
from bench.service_process import running_service
from bench.setup import Setup, Variant

VARIANTS = (Variant.DEFAULT,)

LIMIT_S = 2.5


def measure(setup: Setup) -> list[Measurement]:
    """Seconds per start, after one that is not counted: files are in the page cache by then."""
    starts = [_first_token_s(setup) for _ in range(setup.rounds + 1)]
    return [
        Measurement(
            "service: start to first token", "s", tuple(starts[1:]), reach=Reach("at_most", LIMIT_S)
        )
    ]


def _first_token_s(setup: Setup) -> float:
    """One start and one streamed completion of a single token, to the end of its stream."""
    model = str(setup.package(Variant.DEFAULT).name)
    started = time.perf_counter()
    with running_service(setup.models, setup.threads) as service:
        run_load(LoadPlan(service.url, model, ["Once upon a time"], clients=1, max_tokens=1))
        return time.perf_counter() - started
