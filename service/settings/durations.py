"""How long things last, as Ollama and people write it."""

from __future__ import annotations

import math
import re
from typing import Final

_UNITS_S: Final = {
    **{"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3},
    **{"s": 1.0, "m": 60.0, "h": 3600.0},
}
_PIECE: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_MAX_LENGTH: Final = 40
_MAX_S: Final = 1e9


def parse_duration(text: str) -> float:
    """Seconds of "90", "1.5h" or "1h30m"; anything below zero is without end, `math.inf`.

    Raises ValueError, saying what it must be.
    """
    digits = text.strip().removeprefix("-")
    if len(text) > _MAX_LENGTH or not digits:
        raise _refusal()
    seconds = float(digits) if _NUMBER.fullmatch(digits) else _sum_of_pieces(digits)
    return duration(-seconds if text.strip().startswith("-") else seconds)


def duration(seconds: float) -> float:
    """`seconds`, without end for anything below zero. Raises ValueError for what is no time."""
    if not -_MAX_S <= seconds <= _MAX_S:
        raise _refusal()
    return math.inf if seconds < 0 else float(seconds)


def show_duration(seconds: float) -> str:
    """As `parse_duration` reads it."""
    if seconds == math.inf:
        return "-1"
    unit = next((unit for unit in ("h", "m") if seconds and not seconds % _UNITS_S[unit]), "s")
    return f"{seconds / _UNITS_S[unit]:.15g}{unit}"


def _sum_of_pieces(text: str) -> float:
    pieces = _PIECE.findall(text)
    if "".join(number + unit for number, unit in pieces) != text:
        raise _refusal()
    return sum(float(number) * _UNITS_S[unit] for number, unit in pieces)


def _refusal() -> ValueError:
    return ValueError("seconds, or a duration such as 5m or 1h30m; below 0 is without end")
