"""How JSON is held to its form, asked for alike in every dialect."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from service.constraints.spec import ANY_WHITESPACE
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel

pytestmark = pytest.mark.anyio

MESSAGES = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"not": {}}}}
PLAIN = {"type": "object", "properties": {"a": {"type": "integer"}}}


def asks(schema: object) -> dict[str, dict[str, Any]]:
    """JSON of that schema, as the own field of each dialect asks for it."""
    named = {"name": "n", "schema": schema}
    chosen = {"type": "json_schema", "json_schema": named}
    return {
        "/v1/chat/completions": {"messages": MESSAGES, "response_format": chosen},
        "/v1/completions": {"prompt": "Hi", "response_format": chosen},
        "/v1/responses": {
            "input": "Hi",
            "text": {"format": {"type": "json_schema", "name": "n", "schema": schema}},
        },
        "/v1/messages": {
            "messages": MESSAGES,
            "max_tokens": 9,
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        },
    }


def free(path: str) -> dict[str, Any]:
    own_fields = ("response_format", "text", "output_config")
    return {name: value for name, value in asks(PLAIN)[path].items() if name not in own_fields}


PATHS = [*asks(PLAIN)]


async def asked(app: Litestar, path: str, ask: dict[str, Any], **fields: object) -> Any:  # noqa: ANN401
    return await post_json(app, path, {"model": "tiny:1b", **ask, **fields})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("options", "whitespace", "is_closed"),
    [
        ({}, None, True),
        ({"disable_any_whitespace": True, "disable_additional_properties": True}, None, True),
        ({"disable_any_whitespace": False}, ANY_WHITESPACE, True),
        ({"whitespace_pattern": "[ ]?"}, "[ ]?", True),
        ({"disable_additional_properties": False}, None, False),
    ],
)
async def test_options_of_json_beside_the_dialects_own_field(
    app: Litestar,
    model: FakeModel,
    path: str,
    options: dict[str, Any],
    whitespace: str | None,
    is_closed: bool,
) -> None:
    reply = await asked(app, path, asks(PLAIN)[path], structured_outputs=options)
    assert reply.status == 200
    (spec,) = model.compiled
    assert spec.whitespace == whitespace
    assert ("additionalProperties" in spec.source) == is_closed


@pytest.mark.parametrize("path", PATHS)
async def test_forms_of_all_kinds_in_every_dialect(
    app: Litestar, model: FakeModel, path: str
) -> None:
    for given in ({"json": PLAIN}, {"regex": "a+"}, {"choice": ["a"]}, {"grammar": 'start: "a"'}):
        reply = await asked(app, path, free(path), structured_outputs=given)
        assert reply.status == 200
    assert len(model.compiled) == 4


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "structured_outputs"),
        ({"lenient": True}, "structured_outputs"),
        ({"json_object": True, "regex": "a"}, "structured_outputs"),
        ({"regex": "a", "lenient": True}, "structured_outputs.lenient"),
        ({"choice": ["a"], "whitespace_pattern": " "}, "structured_outputs.whitespace_pattern"),
        ({"json": PLAIN, "whitespace_pattern": "x"}, "structured_outputs.whitespace_pattern"),
        (
            {"json": PLAIN, "whitespace_pattern": " ", "disable_any_whitespace": True},
            "structured_outputs.whitespace_pattern",
        ),
        ({"json": SCHEMA}, "structured_outputs.json"),
    ],
)
async def test_options_that_say_nothing_or_too_much_are_refused(
    app: Litestar, path: str, given: dict[str, Any], param: str
) -> None:
    reply = await asked(app, path, free(path), structured_outputs=given)
    assert reply.status == 400
    error = reply.json()["error"]
    assert error.get("param", param) == param
    assert "structured_outputs" in reply.body.decode() or param in error["message"]


@pytest.mark.parametrize("path", PATHS)
async def test_two_fields_cannot_say_what_an_answer_is(app: Litestar, path: str) -> None:
    reply = await asked(app, path, asks(PLAIN)[path], structured_outputs={"json": PLAIN})
    assert reply.status == 400


@pytest.mark.parametrize("path", PATHS)
async def test_what_a_lenient_request_is_not_held_to_comes_back(
    app: Litestar, model: FakeModel, path: str
) -> None:
    assert (await asked(app, path, asks(SCHEMA)[path])).status == 400
    lenient = {"structured_outputs": {"lenient": True}}
    reply = await asked(app, path, asks(SCHEMA)[path], **lenient)
    assert reply.status == 200
    assert reply.json()["relaxed_keywords"] == ["#/properties/b/not"]
    assert "not" not in model.compiled[0].source
    reply = await asked(app, path, asks(PLAIN)[path], **lenient)
    assert "relaxed_keywords" not in reply.json()


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_tells_it_too(app: Litestar, path: str) -> None:
    reply = await asked(
        app, path, asks(SCHEMA)[path], structured_outputs={"lenient": True}, stream=True
    )
    assert '"relaxed_keywords":["#/properties/b/not"]' in reply.body.decode()
