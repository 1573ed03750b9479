"""vLLM's `structured_outputs`: what an answer must look like, or how JSON is held to its form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import msgspec

from service.api.forms import ANY_OBJECT, AskedForm, schema_form, text_form
from service.api.openai.format_schema import StructuredOutputs
from service.constraints.guard import check_whitespace
from service.constraints.prepare import (
    PreparedForm,
    SchemaOptions,
    prepare_choices,
    prepare_grammar,
    prepare_regex,
)
from service.constraints.spec import ANY_WHITESPACE
from service.errors import RequestError

_PARAM = "structured_outputs"


def with_structured(
    formatted: AskedForm | None, given: StructuredOutputs | None, *, format_param: str
) -> AskedForm | None:
    """What the two fields that say what an answer is come to together.

    Raises RequestError for fields that contradict each other or themselves, and UnsupportedSchema
    for white space that JSON may not have.
    """
    if given is None:
        return formatted
    asked = [*_asked(given), *([] if formatted is None else [formatted])]
    if formatted is not None and len(asked) > 1:
        raise RequestError(
            f"Only one of {format_param!r} and 'structured_outputs' can say what the answer is.",
            param=_PARAM,
        )
    if len(asked) != 1:
        raise RequestError(
            "'structured_outputs' takes exactly one of json, json_object, regex, choice and "
            f"grammar, or none of them beside JSON that {format_param!r} asks for.",
            param=_PARAM,
        )
    _check_is_of_json(given, asked[0])
    return replace(asked[0], options=_options(given))


def _asked(given: StructuredOutputs) -> Iterator[AskedForm]:
    if bytes(given.json) != b"null":
        yield schema_form(_unquoted(given.json), f"{_PARAM}.json")
    if given.json_object:
        yield schema_form(ANY_OBJECT, f"{_PARAM}.json_object")
    if given.regex is not None:
        yield _text_form("regex", partial(prepare_regex, given.regex), len(given.regex))
    if given.choice is not None:
        num_chars = sum(map(len, given.choice))
        yield _text_form("choice", partial(prepare_choices, given.choice), num_chars)
    if given.grammar is not None:
        yield _text_form("grammar", partial(prepare_grammar, given.grammar), len(given.grammar))


def _text_form(name: str, prepare: Callable[..., PreparedForm], num_bytes: int) -> AskedForm:
    return text_form(lambda: prepare(param=f"{_PARAM}.{name}"), num_bytes)


def _unquoted(raw: msgspec.Raw) -> bytes:
    """A schema that came as a string of JSON, or as JSON."""
    text = bytes(raw)
    return msgspec.json.decode(text, type=str).encode() if text.startswith(b'"') else text


def _check_is_of_json(given: StructuredOutputs, asked: AskedForm) -> None:
    """The two options that vLLM has on or off hold of anything without JSON in it."""
    for name, value in (
        ("whitespace_pattern", given.whitespace_pattern),
        ("lenient", given.lenient),
    ):
        if value and not asked.is_json:
            raise RequestError(
                f"{name!r} needs an answer that is held to JSON.", param=f"{_PARAM}.{name}"
            )


def _options(given: StructuredOutputs) -> SchemaOptions:
    return SchemaOptions(
        whitespace=_whitespace(given),
        keeps_open=given.disable_additional_properties is False,
        relaxes=bool(given.lenient),
    )


def _whitespace(given: StructuredOutputs) -> str | None:
    pattern = given.whitespace_pattern
    if pattern is None:
        return ANY_WHITESPACE if given.disable_any_whitespace is False else None
    if given.disable_any_whitespace:
        raise RequestError(
            "'whitespace_pattern' and 'disable_any_whitespace' contradict each other.",
            param=f"{_PARAM}.whitespace_pattern",
        )
    check_whitespace(pattern, param=f"{_PARAM}.whitespace_pattern")
    return pattern
