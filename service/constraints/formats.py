"""Formats of dates and times as patterns that match nothing but what exists.

The compiler's own have a 29 February in every year, a year 0 and a second 60 in every minute, and
durations of any number of years, which nobody who reads them has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.constraints.graph import Node
from service.constraints.json_types import Json
from service.constraints.rewriting import Changes
from service.constraints.shapes import admits

_YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_FOURTH = "(?:0[48]|[2468][048]|[13579][26])"
_LEAP_YEAR = f"(?:[0-9]{{2}}{_FOURTH}|{_FOURTH}00)"
_DAY_OF_ANY_YEAR = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DATE = f"(?:{_YEAR}-{_DAY_OF_ANY_YEAR}|{_LEAP_YEAR}-02-29)"

_HOUR_AND_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_HOUR_AND_MINUTE}:[0-5][0-9](?:\.[0-9]+)?(?:[zZ]|[+-]{_HOUR_AND_MINUTE})"

_NUMBER = "[0-9]{1,6}"
"""Of years and the like; that many days are within what other libraries reckon with."""


def _units(largest: str, *smaller: str) -> str:
    """A number of the first unit, of the first two, and so on."""
    following = f"(?:{_units(*smaller)})?" if smaller else ""
    return f"{_NUMBER}{largest}{following}"


def _any_units(units: str) -> str:
    """The same, begun at any of them."""
    return "(?:" + "|".join(_units(*units[start:]) for start in range(len(units))) + ")"


_TIME_UNITS = f"T{_any_units('HMS')}"
_DURATION = f"P(?:{_any_units('YMD')}(?:{_TIME_UNITS})?|{_TIME_UNITS}|{_NUMBER}W)"

_PATTERNS: Mapping[str, str] = {
    name: f"^(?:{pattern})$"
    for name, pattern in {
        "date": _DATE,
        "date-time": f"{_DATE}[tT]{_TIME}",
        "duration": _DURATION,
        "time": _TIME,
    }.items()
}


def exact_formats(nodes: Iterable[Node]) -> Changes:
    """What puts patterns for such formats in a schema that the guard has let pass, and all of
    whose schemas are `nodes`."""
    return {
        id(node.keywords): _change
        for node in nodes
        if node.keywords.get("format") in _PATTERNS and admits(node.keywords, "string")
    }


def _change(keywords: dict[str, Json]) -> None:
    exact = _PATTERNS[str(keywords.pop("format"))]
    if "pattern" not in keywords:
        keywords["pattern"] = exact
        return
    # Of the same schema, whatever else it says: strings have to match both.
    met = keywords.get("allOf", [])
    assert isinstance(met, list), "the guard knows its shape"
    keywords["allOf"] = [*met, {"pattern": exact}]
