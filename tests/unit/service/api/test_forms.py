"""The forms of answers in the dialects beside chat completions."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
RESPONSE: dict[str, Any] = {"model": "tiny:1b", "input": "Hi"}
MESSAGE: dict[str, Any] = {
    "model": "tiny:1b",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hi"}],
}


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_object"},
        {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
    ],
)
async def test_a_response_has_the_format_of_its_text(
    app: Litestar, model: FakeModel, form: dict[str, Any]
) -> None:
    reply = await post_json(app, "/v1/responses", {**RESPONSE, "text": {"format": form}})
    assert reply.status == 200
    assert reply.json()["text"]["format"]["type"] == form["type"]
    given = model.calls[0].options.form
    assert given is not None
    assert given.check is not None
    assert given.check('{"a": 5}') is None
    assert given.check("5") is not None


async def test_a_message_has_the_format_of_its_output(app: Litestar, model: FakeModel) -> None:
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    reply = await post_json(app, "/v1/messages", {**MESSAGE, "output_config": config})
    assert reply.status == 200
    assert model.calls[0].options.form is not None
    assert '"additionalProperties":false' in model.compiled[0].source


async def test_a_message_of_a_format_has_no_stop_sequences(app: Litestar, model: FakeModel) -> None:
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    ask = {**MESSAGE, "output_config": config, "stop_sequences": ["x"]}
    reply = await post_json(app, "/v1/messages", ask)
    assert reply.status == 400
    assert "stop_sequences" in reply.json()["error"]["message"]
    assert model.calls == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "/v1/responses",
            {**RESPONSE, "text": {"format": {"type": "json_schema", "name": "n", "schema": 5}}},
        ),
        (
            "/v1/messages",
            {
                **MESSAGE,
                "output_config": {"format": {"type": "json_schema", "schema": {"not": {}}}},
            },
        ),
    ],
)
async def test_what_cannot_be_enforced_is_refused(
    app: Litestar, model: FakeModel, path: str, fields: dict[str, Any]
) -> None:
    reply = await post_json(app, path, fields)
    assert reply.status == 400
    assert "schema" in reply.json()["error"]["message"] or "#" in reply.json()["error"]["message"]
    assert model.calls == []
