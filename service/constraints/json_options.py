"""How JSON is written in outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # It exists in the library's type stubs alone.
    from llguidance._lib import JsonCompileOptions

_ESCAPES = 'nrbtf\\"'
"""Not \\u: a key spelled with it passes for one that the schema does not name."""


def json_options(*, whitespace: str | None) -> JsonCompileOptions:
    """With what matches `whitespace` between the tokens of JSON; without it on one line, with a
    space behind commas and colons, as models write JSON most often: without that space SmolLM2
    loses its way and goes on for ever."""
    options: JsonCompileOptions = {
        # That alternatives exclude each other has been proven before, of more than it could.
        "coerce_one_of": True,
        "json_allowed_escapes": _ESCAPES,
    }
    if whitespace is not None:
        options["whitespace_pattern"] = whitespace
    else:
        options["item_separator"] = ", "
        options["key_separator"] = ": "
        options["whitespace_flexible"] = False
    return options
