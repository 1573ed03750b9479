"""What a request says its output must be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OutputKind(Enum):
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """`source` is the JSON of a schema, a regular expression, or a grammar in Lark's syntax.

    JSON is compact unless `allows_whitespace`. With `coerces_one_of` an answer may match several
    alternatives of a `oneOf`, where that they exclude each other cannot be proven. `param` is the
    request's field that errors name.
    """

    kind: OutputKind
    source: str
    param: str
    allows_whitespace: bool = False
    coerces_one_of: bool = False
