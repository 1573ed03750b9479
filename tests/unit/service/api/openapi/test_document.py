"""The document tells the routes there are, and the fields they take."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from service.api.openapi.document import openapi_document
from service.api.openapi.operations import OPERATIONS
from tests.unit.service.api.asgi import post_json, request

pytestmark = pytest.mark.anyio

Json = Any


@pytest.fixture
async def document(app: Litestar) -> Json:
    reply = await request(app, "GET", "/openapi.json")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    return reply.json()


def schema(document: Json, name: str) -> Json:
    return document["components"]["schemas"][name]


async def test_the_document_has_the_routes_of_the_application_and_no_other(
    app: Litestar, document: Json
) -> None:
    served = {
        (route.path_format, method.lower())
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    told = {(path, method) for path, item in document["paths"].items() for method in item}
    assert told == served


def test_no_operation_is_there_twice() -> None:
    assert len({(row.path, row.method) for row in OPERATIONS}) == len(OPERATIONS)
    document = openapi_document(OPERATIONS, "1")
    ids = [found.operation_id for item in document.paths.values() for found in item.values()]
    assert len(set(ids)) == len(ids)


async def test_every_reference_leads_somewhere(document: Json) -> None:
    text = json.dumps(document)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names
    assert names == set(document["components"]["schemas"])


async def test_a_request_body_names_all_fields_and_refuses_others(document: Json) -> None:
    chat = schema(document, "ChatRequest")
    assert {"messages", "model", "stream", "temperature"} <= set(chat["properties"])
    assert {"messages", "model"} == set(chat["required"])
    assert chat["additionalProperties"] is False
    assert chat["properties"]["web_search_options"]["enum"] == [None]
    assert "enum" not in chat["properties"]["metadata"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_what_may_fail_is_told_with_its_shape(document: Json, path: str) -> None:
    responses = document["paths"][path]["post"]["responses"]
    assert set(responses) == {
        "200", "400", "401", "403", "404", "413", "415", "429", "500", "503",
    }  # fmt: skip
    for status, response in responses.items():
        if status != "200":
            content = response["content"]["application/json"]["schema"]
            assert content == {"$ref": "#/components/schemas/ErrorBody"}
    assert set(schema(document, "ErrorObject")["required"]) == {"message", "type", "param", "code"}


async def test_streams_are_told(document: Json) -> None:
    answer = document["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    data = answer["text/event-stream"]["schema"]["properties"]["data"]
    told = [{"$ref": f"#/components/schemas/{name}"} for name in ("ChatChunk", "ErrorBody")]
    assert data["anyOf"][0]["contentSchema"]["anyOf"] == told
    assert data["anyOf"][1]["const"] == "[DONE]"


async def test_a_reply_has_the_fields_told(app: Litestar, document: Json) -> None:
    ask = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}
    reply = (await post_json(app, "/v1/chat/completions", ask)).json()
    assert set(reply) <= set(schema(document, "ChatCompletion")["properties"])
    listed = (await request(app, "GET", "/v1/models")).json()["data"][0]
    # Only models that embed have dimensions.
    assert {*listed, "dimensions"} == set(schema(document, "ModelObject")["properties"])


def test_the_document_survives_json() -> None:
    document = msgspec.json.encode(openapi_document(OPERATIONS, "1.2"))
    assert json.loads(document)["info"]["version"] == "1.2"
    assert json.loads(document)["openapi"] == "3.1.0"
