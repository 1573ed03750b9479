"""What a request says its output must be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ANY_WHITESPACE = r"[\x20\x0A\x0D\x09]{1,20}"
"""Some models would go on with white space for ever."""


class OutputKind(Enum):
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """`source` is the JSON of a schema, a regular expression, or a grammar in Lark's syntax.

    Between the tokens of JSON may stand what the pattern `whitespace` matches; without one there
    is a space behind commas and colons, and nothing else. `may_be_empty`: no output at all is one.
    `behind` is a grammar of what comes before all that. `text_ends` are what ends texts that are no
    JSON, as values are in the calls of some models. A grammar that `is_given` is the request's own,
    and none that was made for it.
    `param` is the request's field that errors name.
    """

    kind: OutputKind
    source: str
    param: str
    whitespace: str | None = None
    may_be_empty: bool = False
    behind: str | None = None
    text_ends: tuple[str, ...] = ()
    is_given: bool = False
