"""From what an output is asked to be to what is compiled, and to what checks it in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from service.constraints.closing import closing
from service.constraints.document import read_document
from service.constraints.drafts import draft_of
from service.constraints.formats import exact_formats
from service.constraints.graph import GraphBuilder, Node
from service.constraints.guard import (
    check_choices,
    check_grammar,
    check_regex,
    check_schema,
)
from service.constraints.json_types import Json
from service.constraints.lark import quoted
from service.constraints.relaxing import coercing, idling, relax_schema
from service.constraints.rewriting import Changes, rewritten
from service.constraints.siblings import without_siblings
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

    `relaxed` are the JSON pointers of keywords that are not enforced.
    """

    spec: OutputSpec
    check: Callable[[str], str | None] | None = None
    relaxed: Sequence[str] = ()


def prepare_schema(
    schema: Json,
    *,
    param: str,
    coerces_one_of: bool = False,
    options: SchemaOptions = DEFAULT_OPTIONS,
) -> PreparedForm:
    """JSON that is valid under `schema`, its objects closed. With `coerces_one_of` an answer may
    match several alternatives of a `oneOf`, where that they exclude each other cannot be proven.

    Raises UnsupportedSchema.
    """
    schema = without_siblings(schema, param=param)
    relaxed: Sequence[str] = ()
    if options.relaxes:
        schema, relaxed = relax_schema(schema, param=param)
        nodes: Sequence[Node] = GraphBuilder(read_document(schema)).build()
    else:
        nodes = check_schema(schema, param=param)
    draft = draft_of(schema)
    assert draft is not None, "the guard knows all drafts that it lets pass"
    may_overlap = coerces_one_of or options.relaxes
    coerced, overlapping = coercing(nodes, draft, param=param, may_overlap=may_overlap)
    closed: Changes = {} if options.keeps_open else closing(nodes)
    enforced = rewritten(schema, idling(nodes), coerced, closed, exact_formats(nodes))
    source = msgspec.json.encode(enforced).decode()
    spec = OutputSpec(OutputKind.JSON_SCHEMA, source, param, options.whitespace)
    # What is enforced is narrower than what was given; that it is, is not taken for granted.
    given = rewritten(schema, coerced)
    checked = [enforced] if enforced == given else [enforced, given]
    relaxed = [*relaxed, *overlapping]
    return PreparedForm(spec, lambda text: validate_text(text, *checked), relaxed)


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
    literals = " | ".join(map(quoted, choices))
    return PreparedForm(OutputSpec(OutputKind.GRAMMAR, f"start: {literals}", param))
