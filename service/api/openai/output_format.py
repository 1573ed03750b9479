"""From the fields that say what an answer must look like to a constraint on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from service.api.facade import Model
from service.api.openai.common_schema import GenerationRequest
from service.api.openai.format_schema import (
    JsonObjectFormat,
    JsonSchemaFormat,
    ResponseFormat,
    StructuredOutputs,
)
from service.api.work import off_loop_if_large
from service.constraints.json_types import Json
from service.constraints.prepare import (
    PreparedForm,
    prepare_choices,
    prepare_grammar,
    prepare_regex,
    prepare_schema,
)
from service.errors import RequestError
from service.options import OutputForm

_SCHEMA_PARAM = "response_format.json_schema.schema"


async def output_form(wire: GenerationRequest, model: Model) -> OutputForm | None:
    """What the answer is held to, compiled; None for free text.

    Raises UnsupportedSchema for what cannot be enforced, and RequestError for fields that say two
    things, or would cut or prolong what has its own end.
    """
    asked = _asked(wire)
    if asked is None:
        return None
    _check_ends(wire)
    prepared = await off_loop_if_large(asked.num_bytes, asked.prepare)
    return OutputForm(await model.compile(prepared.spec), prepared.check)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A form that a request names; `prepare` may take its time if there are many bytes of it."""

    prepare: Callable[[], PreparedForm]
    num_bytes: int


def _asked(wire: GenerationRequest) -> _Asked | None:
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


def _from_format(given: ResponseFormat) -> _Asked | None:
    match given:
        case JsonObjectFormat():
            return _any_object("response_format")
        case JsonSchemaFormat(json_schema=named):
            return _schema(bytes(named.schema), _SCHEMA_PARAM, coerces_one_of=named.strict is False)
        case _:
            return None


def _from_structured(given: StructuredOutputs) -> _Asked:
    param = "structured_outputs"
    found: list[_Asked] = []
    if bytes(given.json) != b"null":
        found.append(_schema(_unquoted(given.json), f"{param}.json"))
    if given.json_object:
        found.append(_any_object(f"{param}.json_object"))
    if given.regex is not None:
        prepare = partial(prepare_regex, given.regex, param=f"{param}.regex")
        found.append(_Asked(prepare, len(given.regex)))
    if given.choice is not None:
        prepare = partial(prepare_choices, given.choice, param=f"{param}.choice")
        found.append(_Asked(prepare, sum(map(len, given.choice))))
    if given.grammar is not None:
        prepare = partial(prepare_grammar, given.grammar, param=f"{param}.grammar")
        found.append(_Asked(prepare, len(given.grammar)))
    if len(found) != 1:
        raise RequestError(
            "'structured_outputs' takes exactly one of json, json_object, regex, choice and "
            "grammar.",
            param=param,
        )
    return found[0]


def _any_object(param: str) -> _Asked:
    return _schema(b'{"type":"object"}', param)


def _schema(source: bytes, param: str, *, coerces_one_of: bool = False) -> _Asked:
    def prepare() -> PreparedForm:
        schema = _parsed(source, param)
        return prepare_schema(schema, param=param, coerces_one_of=coerces_one_of)

    return _Asked(prepare, len(source))


def _unquoted(raw: msgspec.Raw) -> bytes:
    """A schema that came as a string of JSON, or as JSON."""
    text = bytes(raw)
    return msgspec.json.decode(text, type=str).encode() if text.startswith(b'"') else text


def _parsed(source: bytes, param: str) -> Json:
    try:
        schema: Json = msgspec.json.decode(source)
    except msgspec.DecodeError as error:
        raise RequestError(f"The schema is no JSON: {error}.", param=param) from None
    return schema


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
