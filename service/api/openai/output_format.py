"""From the fields that say what an answer must look like to a constraint on it."""

from __future__ import annotations

from collections.abc import Callable

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
from service.constraints.closing import close_objects
from service.constraints.guard import check_grammar, check_regex, check_schema
from service.constraints.json_types import Json
from service.constraints.spec import OutputKind, OutputSpec
from service.constraints.validation import validate_text
from service.errors import RequestError
from service.options import OutputForm

_ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')
_SCHEMA_PARAM = "response_format.json_schema.schema"
_RULED_OUT = ("stop", "stop_token_ids", "ignore_eos", "min_tokens")


async def output_form(wire: GenerationRequest, model: Model) -> OutputForm | None:
    """What the answer is held to, compiled; None for free text.

    Raises UnsupportedSchema for what cannot be enforced, and RequestError for fields that say two
    things, or would cut or prolong what has its own end.
    """
    asked = _asked(wire)
    if asked is None:
        return None
    for name in _RULED_OUT:
        if getattr(wire, name):
            raise RequestError(
                f"{name!r} cannot be combined with an answer of a given form, which ends by "
                "itself.",
                param=name,
            )
    spec, check = await off_loop_if_large(len(asked.source), asked.prepare)
    return OutputForm(await model.compile(spec), check)


class _Asked(msgspec.Struct, frozen=True):
    """A form as the request gives it; `source` is a schema's JSON for JSON_SCHEMA."""

    kind: OutputKind
    source: bytes
    param: str
    coerces_one_of: bool = False

    def prepare(self) -> tuple[OutputSpec, Callable[[str], str | None] | None]:
        """Checked, and with what a finished text is checked by. Raises UnsupportedSchema."""
        if self.kind is not OutputKind.JSON_SCHEMA:
            text = self.source.decode()
            check = check_regex if self.kind is OutputKind.REGEX else check_grammar
            check(text, param=self.param)
            return OutputSpec(self.kind, text, self.param), None
        schema = _parsed(self.source, self.param)
        check_schema(schema, param=self.param)
        closed = close_objects(schema)
        source = msgspec.json.encode(closed).decode()
        spec = OutputSpec(self.kind, source, self.param, coerces_one_of=self.coerces_one_of)
        validated = _as_any_of(closed) if self.coerces_one_of else closed
        return spec, lambda text: validate_text(text, validated)


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
            return _Asked(OutputKind.JSON_SCHEMA, bytes(_ANY_OBJECT), "response_format")
        case JsonSchemaFormat(json_schema=named):
            coerces = named.strict is False
            return _Asked(OutputKind.JSON_SCHEMA, bytes(named.schema), _SCHEMA_PARAM, coerces)
        case _:
            return None


def _from_structured(given: StructuredOutputs) -> _Asked:
    param = "structured_outputs"
    found: list[_Asked] = []
    if bytes(given.json) != b"null":
        found.append(_Asked(OutputKind.JSON_SCHEMA, _unquoted(given.json), f"{param}.json"))
    if given.json_object:
        found.append(_Asked(OutputKind.JSON_SCHEMA, bytes(_ANY_OBJECT), f"{param}.json_object"))
    if given.regex is not None:
        found.append(_Asked(OutputKind.REGEX, given.regex.encode(), f"{param}.regex"))
    if given.choice is not None:
        literals = " | ".join(msgspec.json.encode(text).decode() for text in given.choice)
        found.append(_Asked(OutputKind.GRAMMAR, f"start: {literals}".encode(), f"{param}.choice"))
    if given.grammar is not None:
        found.append(_Asked(OutputKind.GRAMMAR, given.grammar.encode(), f"{param}.grammar"))
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


def _parsed(source: bytes, param: str) -> Json:
    try:
        schema: Json = msgspec.json.decode(source)
    except msgspec.DecodeError as error:
        raise RequestError(f"The schema is no JSON: {error}.", param=param) from None
    return schema


def _as_any_of(schema: Json) -> Json:
    """`schema` with every `oneOf` as the `anyOf` for which it is taken."""
    if isinstance(schema, list):
        return [_as_any_of(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        "anyOf" if key == "oneOf" and isinstance(value, list) else key: _as_any_of(value)
        for key, value in schema.items()
    }
