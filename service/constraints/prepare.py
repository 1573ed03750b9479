"""From what an output is asked to be to what is compiled, and to what checks it in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from service.constraints.closing import close_objects
from service.constraints.guard import check_choices, check_grammar, check_regex, check_schema
from service.constraints.json_types import Json
from service.constraints.spec import OutputKind, OutputSpec
from service.constraints.validation import validate_text


@dataclass(frozen=True, slots=True)
class PreparedForm:
    """`spec` has passed the guard; `check` tells what is wrong with a finished text, None if
    nothing is. Where it is None, what is compiled is all that there is to check."""

    spec: OutputSpec
    check: Callable[[str], str | None] | None = None


def prepare_schema(schema: Json, *, param: str, coerces_one_of: bool = False) -> PreparedForm:
    """JSON that is valid under `schema`, its objects closed. Raises UnsupportedSchema."""
    check_schema(schema, param=param)
    closed = close_objects(schema)
    source = msgspec.json.encode(closed).decode()
    spec = OutputSpec(OutputKind.JSON_SCHEMA, source, param, coerces_one_of=coerces_one_of)
    valid_under = _one_of_as_any_of(closed) if coerces_one_of else closed
    return PreparedForm(spec, lambda text: validate_text(text, valid_under))


def prepare_regex(pattern: str, *, param: str) -> PreparedForm:
    """Text that `pattern` matches from beginning to end. Raises UnsupportedSchema."""
    check_regex(pattern, param=param)
    return PreparedForm(OutputSpec(OutputKind.REGEX, pattern, param))


def prepare_grammar(source: str, *, param: str) -> PreparedForm:
    """Text of a grammar in Lark's syntax. Raises UnsupportedSchema."""
    check_grammar(source, param=param)
    return PreparedForm(OutputSpec(OutputKind.GRAMMAR, source, param))


def prepare_choices(choices: Sequence[str], *, param: str) -> PreparedForm:
    """One of these texts. Raises UnsupportedSchema."""
    check_choices(choices, param=param)
    literals = " | ".join(msgspec.json.encode(choice).decode() for choice in choices)
    return PreparedForm(OutputSpec(OutputKind.GRAMMAR, f"start: {literals}", param))


def _one_of_as_any_of(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_one_of_as_any_of(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        "anyOf" if key == "oneOf" and isinstance(value, list) else key: _one_of_as_any_of(value)
        for key, value in schema.items()
    }
