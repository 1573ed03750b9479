"""How verbs print: tables as Ollama's, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

_GAP = "    "
_UNITS = ("B", "KB", "MB", "GB", "TB")
_SPANS = (
    ("second", 60),
    ("minute", 60),
    ("hour", 48),
    ("day", 14),
    ("week", 8),
    ("month", 24),
    ("year", math.inf),
)
_SECONDS = {
    **{"second": 1, "minute": 60, "hour": 3600, "day": 86_400},
    **{"week": 7 * 86_400, "month": 30 * 86_400, "year": 365 * 86_400},
}


_FOREVER_S = 100 * 365 * 86_400.0
"""What is further away is how Ollama writes that something never ends."""


def print_json(content: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, the head in capitals above them."""
    lines = [[cell.upper() for cell in head], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(_GAP.join(cells).rstrip())


def amount_of_bytes(num_bytes: float) -> str:
    """Decimal units, with a place behind the point below ten: 98 MB, 1.3 GB."""
    power = 0
    while num_bytes >= 1000 and power < len(_UNITS) - 1:
        num_bytes, power = num_bytes / 1000, power + 1
    digits = 1 if num_bytes < 10 and power and num_bytes != int(num_bytes) else 0
    shown = f"{num_bytes:.1f}" if digits else str(int(num_bytes))
    return f"{shown} {_UNITS[power]}"


def time_span(seconds: float) -> str:
    """In the largest unit that still says something: 47 hours, 2 days, about a minute."""
    if seconds < 1:
        return "less than a second"
    for unit, limit in _SPANS:
        number = int(seconds / _SECONDS[unit])
        if number < limit:
            if number == 1 and unit != "second":
                return f"about {'an' if unit == 'hour' else 'a'} {unit}"
            return f"{number} {unit}{'s' * (number != 1)}"
    raise AssertionError("years have no limit")


def since(moment: datetime) -> str:
    """How long ago that was."""
    span = time_span(max(0.0, (datetime.now(UTC) - moment).total_seconds()))
    return f"{span[:1].upper()}{span[1:]} ago"


def until(moment: datetime) -> str:
    """How long it is until then."""
    left_s = (moment - datetime.now(UTC)).total_seconds()
    if left_s >= _FOREVER_S:
        return "Forever"
    if left_s <= 0:
        return "Stopping..."
    span = time_span(left_s)
    return f"{span[:1].upper()}{span[1:]} from now"
