"""Variables that look like settings of ours and are none: misspelt, most likely."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from service.settings.options import CONFIG_VARIABLE, OPTIONS

_PREFIX: Final = "RETORT_"
_SETTINGS: Final = (*(option.variable for option in OPTIONS), CONFIG_VARIABLE)
_OF_TESTS: Final = frozenset({"RETORT_KILLS"})
"""Set for tests, in the environment that the services have which these start."""


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Their names."""
    names = [name for name, text in environment.items() if name.startswith(_PREFIX) and text]
    return sorted(set(names) - {*_SETTINGS} - _OF_TESTS)


def did_you_mean(name: str) -> str:
    """The question with the nearest variable there is, to be put behind what is told of one of
    them; empty where none is near."""
    if not name.startswith(_PREFIX):
        return ""
    # Without what all have in common, which would make any two of them alike.
    keys = [each.removeprefix(_PREFIX) for each in _SETTINGS]
    near = get_close_matches(name.removeprefix(_PREFIX).upper(), keys, n=1)
    return f"; did you mean {_PREFIX}{near[0]}?" if near else ""
