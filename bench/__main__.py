"""`python -m bench`: all figures of Retort beside their rivals and what they have to reach.

By hand, on a machine that does nothing else. The exit status is 0 if all could be measured,
whatever came of it.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench import (
    api_cost,
    embedding_rates,
    engine_rates,
    export_cost,
    export_memory,
    http_rates,
    memory,
    quality_cost,
    startup,
    structured,
)
from bench.child import ChildError
from bench.disturbance import others_share, read_cpu_times
from bench.environment import describe_environment
from bench.http_load import LoadError
from bench.report import (
    Measurement,
    PackageInfo,
    Results,
    Section,
    judge,
    merged,
    read_results,
    render_table,
    write_results,
)
from bench.service_process import ServiceError
from bench.setup import CACHE, Setup, SetupError, Variant
from service.runtime.sessions import physical_cores
from service.store.manifest import Manifest
from service.store.packages import AnyPackage

RESULTS = Path(__file__).parent / "results"

QUIET_SHARE = 0.03
"""What others may take of the processors before it is worth a word."""


@dataclass(frozen=True, slots=True)
class Family:
    """Figures that are measured together, and the packages that takes."""

    variants: tuple[Variant, ...]
    measure: Callable[[Setup], list[Measurement]]


FAMILIES = {
    "engine": Family(engine_rates.VARIANTS, engine_rates.measure),
    "quality": Family(quality_cost.VARIANTS, quality_cost.measure),
    "http": Family(http_rates.VARIANTS, http_rates.measure),
    "api": Family(api_cost.VARIANTS, api_cost.measure),
    "embeddings": Family(embedding_rates.VARIANTS, embedding_rates.measure),
    "structured": Family(structured.VARIANTS, structured.measure),
    "startup": Family(startup.VARIANTS, startup.measure),
    "memory": Family(memory.VARIANTS, memory.measure),
    "export": Family(export_cost.VARIANTS, export_cost.measure),
    "export-memory": Family((), export_memory.measure),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    setup = Setup(options.models, options.threads, options.rounds)
    names = options.only or list(FAMILIES)
    path = options.json or RESULTS / f"cpu-{setup.threads}-threads.json"
    try:
        results = _measure(setup, names)
    except (ChildError, LoadError, ServiceError, SetupError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(render_table(results.sections))
    write_results(path, merged(read_results(path), results))
    return 0


def _measure(setup: Setup, names: Sequence[str]) -> Results:
    variants = {variant for name in names for variant in FAMILIES[name].variants}
    packages = {variant: setup.provide(variant) for variant in Variant if variant in variants}
    sections = {}
    for name in names:
        print(f"measuring: {name}", file=sys.stderr)
        family = FAMILIES[name]
        before = read_cpu_times()
        measured = family.measure(setup)
        sections[name] = Section(
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            others_share=others_share(before, read_cpu_times()),
            packages=tuple(_info(packages[variant]) for variant in family.variants),
            rows=tuple(map(judge, measured)),
        )
        _warn_of_others(name, sections[name].others_share)
    return Results(describe_environment(setup.threads), sections)


def _stop(_sig: int, _frame: FrameType | None) -> NoReturn:
    """Ends as Ctrl-C does, so that no engine is left behind, stopped for good."""
    raise SystemExit(128 + signal.SIGTERM)


def _warn_of_others(name: str, share: float | None) -> None:
    if share is not None and share > QUIET_SHARE:
        print(f"{name}: others took {share:.0%} of the processors meanwhile", file=sys.stderr)


def _info(package: AnyPackage) -> PackageInfo:
    manifest = package.manifest
    return PackageInfo(
        name=manifest.name,
        precision=manifest.precision,
        has_prefill_graph=isinstance(manifest, Manifest) and manifest.graphs.prefill is not None,
        size=manifest.weights_bytes,
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--models",
        type=Path,
        default=CACHE,
        metavar="DIR",
        help="where packages lie and missing ones are exported to (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="default 5")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(FAMILIES),
        metavar="NAME",
        help=f"one of {', '.join(FAMILIES)}; may be repeated; the file keeps the others",
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        default=physical_cores(),
        metavar="N",
        help="threads to compute with, for every engine (default: one per physical core)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the results go (default: bench/results/cpu-N-threads.json)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
