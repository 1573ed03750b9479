from __future__ import annotations

import json
from typing import Any

import pytest
from litestar import Litestar

from service.constraints.spec import OutputKind, OutputSpec
from service.errors import UnsupportedSchema
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel

pytestmark = pytest.mark.anyio

CHAT: dict[str, Any] = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}
COMPLETION: dict[str, Any] = {"model": "tiny:1b", "prompt": "Hi"}
ENDPOINTS = [("/v1/chat/completions", CHAT), ("/v1/completions", COMPLETION)]

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
NAMED = {"name": "an_answer", "schema": SCHEMA, "strict": True}


def _json_schema(**changes: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {**NAMED, **changes}}


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
@pytest.mark.parametrize(
    ("fields", "kind", "source"),
    [
        ({"response_format": {"type": "json_object"}}, OutputKind.JSON_SCHEMA, '"type":"object"'),
        (
            {"response_format": _json_schema()},
            OutputKind.JSON_SCHEMA,
            '"additionalProperties":false',
        ),
        ({"structured_outputs": {"json": SCHEMA}}, OutputKind.JSON_SCHEMA, '"integer"'),
        ({"structured_outputs": {"json": '{"const": 5}'}}, OutputKind.JSON_SCHEMA, '{"const":5}'),
        ({"structured_outputs": {"json_object": True}}, OutputKind.JSON_SCHEMA, "object"),
        ({"structured_outputs": {"regex": "a+b"}}, OutputKind.REGEX, "a+b"),
        ({"structured_outputs": {"choice": ["a", 'b"']}}, OutputKind.GRAMMAR, '"a" | "b\\""'),
        ({"structured_outputs": {"grammar": 'start: "x"'}}, OutputKind.GRAMMAR, 'start: "x"'),
    ],
)
async def test_a_form_reaches_the_model(
    app: Litestar,
    model: FakeModel,
    path: str,
    ask: dict[str, Any],
    fields: dict[str, Any],
    kind: OutputKind,
    source: str,
) -> None:
    reply = await post_json(app, path, {**ask, **fields})
    assert reply.status == 200
    (spec,) = model.compiled
    assert spec.kind is kind
    assert source in spec.source
    assert model.calls[0].options.form is not None


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_free_text_is_held_to_nothing(
    app: Litestar, model: FakeModel, path: str, ask: dict[str, Any]
) -> None:
    fields = {"response_format": {"type": "text"}, "structured_outputs": None}
    assert (await post_json(app, path, {**ask, **fields})).status == 200
    assert model.compiled == []
    assert model.calls[0].options.form is None


async def test_a_finished_text_is_checked_against_what_was_asked(
    app: Litestar, model: FakeModel
) -> None:
    await post_json(app, ENDPOINTS[0][0], {**CHAT, "response_format": _json_schema()})
    form = model.calls[0].options.form
    assert form is not None
    assert form.check is not None
    assert form.check('{"a": 5}') is None
    assert form.check('{"a": "x"}') is not None
    assert form.check('{"a": 5, "b": 1}') is not None
    assert form.check('{"a": 5') is not None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": _json_schema(name="a b")}, "response_format.json_schema.name"),
        ({"response_format": _json_schema(colour=1)}, "response_format.json_schema.colour"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs.choice"),
        ({"structured_outputs": {"xml": "a"}}, "structured_outputs.xml"),
        (
            {"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}},
            "structured_outputs",
        ),
        ({"structured_outputs": {"regex": "a"}, "stop": "b"}, "stop"),
        ({"structured_outputs": {"regex": "a"}, "stop_token_ids": [1]}, "stop_token_ids"),
        ({"structured_outputs": {"regex": "a"}, "ignore_eos": True}, "ignore_eos"),
        ({"structured_outputs": {"regex": "a"}, "min_tokens": 1}, "min_tokens"),
    ],
)
async def test_forms_that_say_nothing_clear_are_refused_by_name(
    app: Litestar, model: FakeModel, fields: dict[str, Any], param: str
) -> None:
    reply = await post_json(app, ENDPOINTS[0][0], {**CHAT, **fields})
    assert (reply.status, reply.json()["error"]["param"]) == (400, param)
    assert model.calls == []


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"properties": {"c": {"not": {}}}}, "#/properties/c"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"$ref": "https://example.org/schema"}, "$ref"),
    ],
)
async def test_a_schema_that_cannot_be_enforced_is_refused_at_its_place(
    app: Litestar, model: FakeModel, schema: object, shown: str
) -> None:
    ask = {**CHAT, "response_format": _json_schema(schema=schema)}
    error = (await post_json(app, ENDPOINTS[0][0], ask)).json()["error"]
    assert error["code"] == "unsupported_schema"
    assert error["param"] == "response_format.json_schema.schema"
    assert shown in error["message"]
    assert model.calls == []


async def test_what_only_compiling_finds_out_is_refused_too(
    app: Litestar, model: FakeModel
) -> None:
    model.compile_refusal = UnsupportedSchema("No.", param="response_format.json_schema.schema")
    reply = await post_json(
        app, ENDPOINTS[0][0], {**CHAT, "response_format": _json_schema(), "stream": True}
    )
    assert (reply.status, reply.json()["error"]["code"]) == (400, "unsupported_schema")


async def test_the_tool_that_cannot_be_compiled_is_named(app: Litestar, model: FakeModel) -> None:
    model.uncompilable = "unheard"
    parameters = {"type": "object", "properties": {"unheard": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "heard"}},
        {"type": "function", "function": {"name": "odd", "parameters": parameters}},
    ]
    error = (await post_json(app, ENDPOINTS[0][0], {**CHAT, "tools": tools})).json()["error"]
    assert error["code"] == "unsupported_schema"
    assert error["message"] == "The function 'odd': No."
    assert error["param"] == "tools[1].function.parameters"


async def test_not_strict_takes_one_of_for_any_of(app: Litestar, model: FakeModel) -> None:
    schema = {"oneOf": [{"type": "integer"}, {"type": "number"}]}
    ask = {**CHAT, "response_format": _json_schema(schema=schema, strict=False)}
    assert (await post_json(app, ENDPOINTS[0][0], ask)).status == 200
    (spec,) = model.compiled
    assert isinstance(spec, OutputSpec)
    assert json.loads(spec.source) == {"allOf": [{"anyOf": schema["oneOf"]}]}
    form = model.calls[0].options.form
    assert form is not None
    assert form.check is not None
    assert form.check("5") is None


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
async def test_json_is_completed_where_that_was_asked_for(
    app: Litestar, model: FakeModel, path: str, ask: dict[str, Any]
) -> None:
    for fields in ({}, {"complete_on_length": True}):
        reply = await post_json(app, path, {**ask, "response_format": _json_schema(), **fields})
        assert reply.status == 200
    forms = [call.options.form for call in model.calls]
    assert [form.completes for form in forms if form] == [False, True]


@pytest.mark.parametrize(("path", "ask"), ENDPOINTS)
@pytest.mark.parametrize("fields", [{}, {"structured_outputs": {"choice": ["a"]}}])
async def test_what_is_no_json_cannot_be_completed(
    app: Litestar, path: str, ask: dict[str, Any], fields: dict[str, Any]
) -> None:
    reply = await post_json(app, path, {**ask, **fields, "complete_on_length": True})
    assert reply.status == 400
    assert reply.json()["error"]["param"] == "complete_on_length"
    reply = await post_json(app, path, {**ask, **fields, "complete_on_length": False})
    assert reply.status == 200
