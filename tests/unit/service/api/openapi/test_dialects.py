"""What the document tells of routes that are not like the others."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from service.api.openapi.document import openapi_document
from service.api.openapi.operations import OPERATIONS


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    document = cast("dict[str, Any]", msgspec.to_builtins(openapi_document(OPERATIONS, "1")))
    return cast("dict[str, Any]", document["paths"])


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_errors_of_another_dialect_have_its_shape(paths: dict[str, Any], path: str) -> None:
    responses = paths[path]["post"]["responses"]
    shapes = {
        response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for status, response in responses.items()
        if status != "200"
    }
    assert shapes == {"AnthropicErrorBody"}


@pytest.mark.parametrize(
    ("path", "is_ended_by_done"),
    [("/v1/chat/completions", True), ("/v1/messages", False), ("/v1/responses", False)],
)
def test_only_streams_that_end_with_done_are_said_to(
    paths: dict[str, Any], path: str, is_ended_by_done: bool
) -> None:
    answer = paths[path]["post"]["responses"]["200"]["content"]["text/event-stream"]
    assert ("[DONE]" in str(answer)) is is_ended_by_done


def test_queries_are_told_with_their_bounds(paths: dict[str, Any]) -> None:
    listing = paths["/v1/responses/{response_id}/input_items"]["get"]["parameters"]
    told = {each["name"]: each for each in listing}
    assert told["response_id"]["in"] == "path"
    assert {each["in"] for name, each in told.items() if name != "response_id"} == {"query"}
    assert told["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert told["order"]["schema"]["enum"] == ["asc", "desc"]
    retrieving = paths["/v1/responses/{response_id}"]["get"]["parameters"]
    assert {each["name"]: each["schema"].get("enum") for each in retrieving} == {
        "response_id": None,
        "include": [None],
        "include_obfuscation": [None, False],
        "starting_after": [None],
        "stream": [None, False],
    }
