"""From the fields that say what an answer must look like to a constraint on it."""

from __future__ import annotations

from functools import partial

import msgspec

from service.api.facade import Model
from service.api.forms import ANY_OBJECT, AskedForm, output_form, schema_form
from service.api.openai.common_schema import GenerationRequest
from service.api.openai.format_schema import (
    JsonObjectFormat,
    JsonSchemaFormat,
    ResponseFormat,
    StructuredOutputs,
)
from service.constraints.prepare import prepare_choices, prepare_grammar, prepare_regex
from service.errors import RequestError
from service.options import OutputForm

_SCHEMA_PARAM = "response_format.json_schema.schema"


async def requested_form(wire: GenerationRequest, model: Model) -> OutputForm | None:
    """What the answer is held to, compiled; None for free text.

    Raises UnsupportedSchema for what cannot be enforced, and RequestError for fields that say two
    things, or would cut or prolong what has its own end.
    """
    asked = _asked(wire)
    if asked is not None:
        _check_ends(wire)
    return await output_form(asked, model, completes=wire.complete_on_length)


def _asked(wire: GenerationRequest) -> AskedForm | None:
    formatted = None if wire.response_format is None else _from_format(wire.response_format)
    structured = wire.structured_outputs
    if structured is None:
        return formatted
    if formatted is not None:
        raise RequestError(
            "Only one of 'response_format' and 'structured_outputs' can say what the answer is.",
            param="structured_outputs",
        )
    return _from_structured(structured)


def _from_format(given: ResponseFormat) -> AskedForm | None:
    match given:
        case JsonObjectFormat():
            return schema_form(ANY_OBJECT, "response_format")
        case JsonSchemaFormat(json_schema=named):
            coerces = named.strict is False
            return schema_form(bytes(named.schema), _SCHEMA_PARAM, coerces_one_of=coerces)
        case _:
            return None


def _from_structured(given: StructuredOutputs) -> AskedForm:
    param = "structured_outputs"
    found: list[AskedForm] = []
    if bytes(given.json) != b"null":
        found.append(schema_form(_unquoted(given.json), f"{param}.json"))
    if given.json_object:
        found.append(schema_form(ANY_OBJECT, f"{param}.json_object"))
    if given.regex is not None:
        prepare = partial(prepare_regex, given.regex, param=f"{param}.regex")
        found.append(AskedForm(prepare, len(given.regex)))
    if given.choice is not None:
        prepare = partial(prepare_choices, given.choice, param=f"{param}.choice")
        found.append(AskedForm(prepare, sum(map(len, given.choice))))
    if given.grammar is not None:
        prepare = partial(prepare_grammar, given.grammar, param=f"{param}.grammar")
        found.append(AskedForm(prepare, len(given.grammar)))
    if len(found) != 1:
        raise RequestError(
            "'structured_outputs' takes exactly one of json, json_object, regex, choice and "
            "grammar.",
            param=param,
        )
    return found[0]


def _unquoted(raw: msgspec.Raw) -> bytes:
    """A schema that came as a string of JSON, or as JSON."""
    text = bytes(raw)
    return msgspec.json.decode(text, type=str).encode() if text.startswith(b'"') else text


def _check_ends(wire: GenerationRequest) -> None:
    given = {
        "stop": wire.stop,
        "stop_token_ids": wire.stop_token_ids,
        "ignore_eos": wire.ignore_eos,
        "min_tokens": wire.min_tokens,
    }
    for name, value in given.items():
        if value:
            raise RequestError(
                f"{name!r} cannot be combined with an answer of a given form, which ends by "
                "itself.",
                param=name,
            )
