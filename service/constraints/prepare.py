"""From what an output is asked to be to what is compiled, and to what checks it in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from service.constraints.closing import close_objects
from service.constraints.guard import check_choices, check_grammar, check_regex, check_schema
from service.constraints.json_types import Json
from service.constraints.lark import quoted
from service.constraints.relaxing import (
    one_of_as_any_of,
    pointers_of,
    relax_schema,
    without_idle,
)
from service.constraints.spec import OutputKind, OutputSpec
from service.constraints.validation import validate_text


@dataclass(frozen=True, slots=True)
class SchemaOptions:
    """How JSON is to be held to a schema.

    - `whitespace`: the pattern of what may stand between its tokens, None for one line
    - `keeps_open`: objects that name properties may have others, unless the schema says otherwise
    - `relaxes`: keywords that cannot be enforced are left out instead of refused
    """

    whitespace: str | None = None
    keeps_open: bool = False
    relaxes: bool = False


DEFAULT_OPTIONS = SchemaOptions()


@dataclass(frozen=True, slots=True)
class PreparedForm:
    """`spec` has passed the guard; `check` tells what is wrong with a finished text, None if
    nothing is. Where it is None, what is compiled is all that there is to check.

    `relaxed` are the JSON pointers of keywords that are not enforced. `looser` is what to take if
    this cannot be compiled.
    """

    spec: OutputSpec
    check: Callable[[str], str | None] | None = None
    relaxed: Sequence[str] = ()
    looser: PreparedForm | None = None


def prepare_schema(
    schema: Json,
    *,
    param: str,
    coerces_one_of: bool = False,
    options: SchemaOptions = DEFAULT_OPTIONS,
) -> PreparedForm:
    """JSON that is valid under `schema`, its objects closed. Raises UnsupportedSchema."""
    relaxed: Sequence[str] = ()
    if options.relaxes:
        schema, relaxed = relax_schema(schema, param=param)
    else:
        check_schema(schema, param=param)
    schema = without_idle(schema)
    closed = schema if options.keeps_open else close_objects(schema)
    form = _json_form(closed, param, options, coerces_one_of)
    one_ofs = pointers_of("oneOf", schema) if options.relaxes and not coerces_one_of else ()
    if not one_ofs:
        return replace(form, relaxed=relaxed)
    looser = _json_form(closed, param, options, coerces_one_of=True)
    return replace(form, relaxed=relaxed, looser=replace(looser, relaxed=(*relaxed, *one_ofs)))


def prepare_regex(pattern: str, *, param: str) -> PreparedForm:
    """Text that `pattern` matches from beginning to end. Raises UnsupportedSchema."""
    check_regex(pattern, param=param)
    return PreparedForm(OutputSpec(OutputKind.REGEX, pattern, param))


def prepare_grammar(source: str, *, param: str) -> PreparedForm:
    """Text of a grammar in Lark's syntax. Raises UnsupportedSchema."""
    check_grammar(source, param=param)
    return PreparedForm(OutputSpec(OutputKind.GRAMMAR, source, param, is_given=True))


def prepare_choices(choices: Sequence[str], *, param: str) -> PreparedForm:
    """One of these texts. Raises UnsupportedSchema."""
    check_choices(choices, param=param)
    literals = " | ".join(quoted(choice) for choice in choices)
    return PreparedForm(OutputSpec(OutputKind.GRAMMAR, f"start: {literals}", param))


def _json_form(
    schema: Json, param: str, options: SchemaOptions, coerces_one_of: bool
) -> PreparedForm:
    source = msgspec.json.encode(schema).decode()
    spec = OutputSpec(OutputKind.JSON_SCHEMA, source, param, options.whitespace, coerces_one_of)
    valid_under = one_of_as_any_of(schema) if coerces_one_of else schema
    return PreparedForm(spec, lambda text: validate_text(text, valid_under))
