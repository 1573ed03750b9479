"""From the fields that say what an answer must look like to a constraint on it."""

from __future__ import annotations

from service.api.facade import Model
from service.api.forms import ANY_OBJECT, AskedForm, output_form, schema_form
from service.api.openai.common_schema import GenerationRequest
from service.api.openai.format_schema import (
    JsonObjectFormat,
    JsonSchemaFormat,
    ResponseFormat,
)
from service.api.openai.structured_outputs import with_structured
from service.errors import RequestError
from service.options import OutputForm

_SCHEMA_PARAM = "response_format.json_schema.schema"


async def requested_form(wire: GenerationRequest, model: Model) -> OutputForm | None:
    """What the answer is held to, compiled; None for free text.

    Raises UnsupportedSchema for what cannot be enforced, and RequestError for fields that say two
    things, or would cut or prolong what has its own end.
    """
    return await output_form(asked_form(wire), model, completes=wire.complete_on_length)


def asked_form(wire: GenerationRequest) -> AskedForm | None:
    """What the answer is to be held to; None for free text. Raises as `requested_form` does."""
    asked = _asked(wire)
    if asked is not None:
        _check_ends(wire)
    return asked


def _asked(wire: GenerationRequest) -> AskedForm | None:
    formatted = None if wire.response_format is None else _from_format(wire.response_format)
    return with_structured(formatted, wire.structured_outputs, format_param="response_format")


def _from_format(given: ResponseFormat) -> AskedForm | None:
    match given:
        case JsonObjectFormat():
            return schema_form(ANY_OBJECT, "response_format")
        case JsonSchemaFormat(json_schema=named):
            coerces = named.strict is False
            return schema_form(bytes(named.schema), _SCHEMA_PARAM, coerces_one_of=coerces)
        case _:
            return None


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
