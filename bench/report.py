"""What was measured beside what was wanted: verdicts, the table, the results file."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

Verdict = Literal["pass", "miss"]
Bound = Literal["ratio_at_least", "at_most"]

_HEADINGS = ("figure", "ours", "unit", "rival", "theirs", "ratio", "reach", "verdict")


class Reach(msgspec.Struct, frozen=True):
    """What a figure has to reach: a ratio to its rival, or a value not above `limit`."""

    bound: Bound
    limit: float


class Rival(msgspec.Struct, frozen=True):
    """Who did the same work, and its rounds, each beside the round of the same index."""

    name: str
    rounds: tuple[float, ...]


class Measurement(msgspec.Struct, frozen=True):
    """One figure as measured: a value per round, in `unit`. Without `reach` it informs only."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    rival: Rival | None = None
    reach: Reach | None = None


class Row(msgspec.Struct, frozen=True):
    """A measurement and what follows from it, as it stands in the results file.

    `ours` and `theirs` are medians over the rounds, `ratio` that of the quotients of each round:
    what disturbs a machine disturbs both sides of a round alike. It may therefore differ a little
    from the quotient of the medians.
    """

    measured: Measurement
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    verdict: Verdict | None = None


class Environment(msgspec.Struct, frozen=True):
    """What the figures depend on beside the code. `llama_cpp_build` are its instruction sets."""

    cpu: str
    threads: int
    python: str
    onnxruntime: str
    llama_cpp: str
    llama_cpp_build: str


class PackageInfo(msgspec.Struct, frozen=True):
    """A package that was measured; its size is that of all files together, in bytes."""

    name: str
    precision: str
    has_prefill_graph: bool
    size: int


class Section(msgspec.Struct, frozen=True):
    """One family of figures, measured together on `date` (ISO 8601).

    `others_share` is the part of the processors' time that other programs took meanwhile, 0 to 1;
    None where the system does not tell. Figures with more than a few hundredths say little.
    """

    date: str
    others_share: float | None
    packages: tuple[PackageInfo, ...]
    rows: tuple[Row, ...]


class Results(msgspec.Struct, frozen=True):
    """The results file: sections by the name that `--only` takes."""

    environment: Environment
    sections: dict[str, Section]


def judge(measured: Measurement) -> Row:
    """Medians, ratio and verdict. A measurement without rounds is a mistake of the caller."""
    assert measured.rounds, measured.name
    ours = statistics.median(measured.rounds)
    rival = measured.rival
    ratio = None
    if rival is not None:
        pairs = zip(measured.rounds, rival.rounds, strict=True)
        ratio = statistics.median(mine / other for mine, other in pairs)
    return Row(
        measured=measured,
        ours=ours,
        theirs=statistics.median(rival.rounds) if rival else None,
        ratio=ratio,
        verdict=_verdict(measured.reach, ours, ratio),
    )


def _verdict(reach: Reach | None, ours: float, ratio: float | None) -> Verdict | None:
    if reach is None:
        return None
    if reach.bound == "at_most":
        return "pass" if ours <= reach.limit else "miss"
    assert ratio is not None, "a ratio needs a rival"
    return "pass" if ratio >= reach.limit else "miss"


def merged(earlier: Results | None, now: Results) -> Results:
    """`now`, with the sections it did not measure taken from `earlier` if all else was the same."""
    if earlier is None or earlier.environment != now.environment:
        return now
    return Results(now.environment, {**earlier.sections, **now.sections})


def read_results(path: Path) -> Results | None:
    """The results in a file; None if there is none, or none of this form."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_results(path: Path, results: Results) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def render_table(sections: Mapping[str, Section]) -> str:
    """All rows under one heading, columns aligned."""
    rows = [row for section in sections.values() for row in section.rows]
    return _aligned([_HEADINGS, *map(_cells, rows)])


def _cells(row: Row) -> Sequence[str]:
    measured = row.measured
    return (
        measured.name,
        shown(row.ours),
        measured.unit,
        measured.rival.name if measured.rival else "",
        "" if row.theirs is None else shown(row.theirs),
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        _shown_reach(measured.reach),
        row.verdict or "",
    )


def _shown_reach(reach: Reach | None) -> str:
    if reach is None:
        return ""
    if reach.bound == "ratio_at_least":
        return f">= {reach.limit:.2f}x"
    return f"<= {reach.limit:g}"


def shown(value: float) -> str:
    """About three digits: what is left of the noise."""
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.4f}"


def _aligned(lines: Iterable[Sequence[str]]) -> str:
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)
