"""Responses that are looked at, gone on with and forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from service.api.openai.responses.store import ResponseStore
from service.api.state import hold_responses
from service.dialogue.message import Message
from tests.unit.service.api.asgi import Reply, post_json, request
from tests.unit.service.api.fakes import FakeModel, Script

pytestmark = pytest.mark.anyio

PATH = "/v1/responses"
ASK: dict[str, Any] = {"model": "tiny:1b", "input": "Hi"}


async def created(app: Litestar, **fields: object) -> Any:  # noqa: ANN401  JSON
    reply = await post_json(app, PATH, {**ASK, **fields})
    assert reply.status == 200
    return reply.json()


async def items(app: Litestar, response_id: str, query: str = "") -> Reply:
    return await request(app, "GET", f"{PATH}/{response_id}/input_items", query=query)


async def listed(app: Litestar, response_id: str, query: str = "order=asc") -> list[str]:
    reply = await items(app, response_id, query)
    return [item["content"][0]["text"] for item in reply.json()["data"]]


@pytest.mark.parametrize("store", [True, None])
async def test_a_response_is_stored_as_it_was_given(app: Litestar, store: bool | None) -> None:
    response = await created(app, store=store)
    reply = await request(app, "GET", f"{PATH}/{response['id']}")
    assert (reply.status, reply.json()) == (200, response)


async def test_a_streamed_response_is_stored_too(app: Litestar) -> None:
    reply = await post_json(app, PATH, {**ASK, "stream": True})
    response_id = reply.body.partition(b'"id":"')[2].partition(b'"')[0].decode()
    found = (await request(app, "GET", f"{PATH}/{response_id}")).json()
    assert found["output"][0]["content"][0]["text"] == "Hello"


async def test_a_response_not_to_be_stored_is_not(app: Litestar) -> None:
    response = await created(app, store=False)
    assert response["store"] is False
    reply = await request(app, "GET", f"{PATH}/{response['id']}")
    assert (reply.status, reply.json()["error"]["code"]) == (404, "response_not_found")
    reply = await post_json(app, PATH, {**ASK, "previous_response_id": response["id"]})
    error = reply.json()["error"]
    assert reply.status == 400
    assert error["param"] == "previous_response_id"
    assert error["code"] == "previous_response_not_found"


async def test_a_conversation_goes_on_without_the_earlier_instructions(
    app: Litestar, script: Script, model: FakeModel
) -> None:
    script.thoughts = ["Hm"]
    one = await created(app, instructions="Be brief.")
    two = await created(app, input="Why?", previous_response_id=one["id"])
    three = await created(
        app, input="And now?", previous_response_id=two["id"], instructions="Be long."
    )
    answer = Message("assistant", "Hello", reasoning="Hm")
    assert model.messages == [
        Message("system", "Be long."),
        Message("user", "Hi"),
        answer,
        Message("user", "Why?"),
        answer,
        Message("user", "And now?"),
    ]
    assert three["previous_response_id"] == two["id"]


async def test_two_conversations_may_go_on_from_one_response(
    app: Litestar, model: FakeModel
) -> None:
    one = await created(app)
    for text in ("A?", "B?"):
        await created(app, input=text, previous_response_id=one["id"])
        assert [message.content for message in model.messages] == ["Hi", "Hello", text]


async def test_input_items_are_all_that_the_model_was_given(app: Litestar) -> None:
    one = await created(app, input=[{"role": "user", "content": "Hi", "id": "msg_a"}])
    two = await created(app, input="Why?", previous_response_id=one["id"])
    reply = (await items(app, two["id"], "order=asc")).json()
    assert (reply["object"], reply["has_more"]) == ("list", False)
    assert reply["first_id"] == "msg_a"
    assert reply["last_id"] == reply["data"][-1]["id"]
    assert reply["data"][0] == {
        "type": "message",
        "id": "msg_a",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    assert reply["data"][1] == one["output"][0]
    assert await listed(app, two["id"]) == ["Hi", "Hello", "Why?"]


async def test_input_items_come_in_pages_the_newest_first(app: Litestar) -> None:
    given = [{"role": "user", "content": str(i), "id": f"msg_{i}"} for i in range(25)]
    response_id = (await created(app, input=given))["id"]
    first = (await items(app, response_id)).json()
    assert (len(first["data"]), first["has_more"]) == (20, True)
    assert (first["first_id"], first["last_id"]) == ("msg_24", "msg_5")
    second = (await items(app, response_id, "after=msg_5")).json()
    assert [item["id"] for item in second["data"]] == [f"msg_{i}" for i in (4, 3, 2, 1, 0)]
    assert second["has_more"] is False
    assert await listed(app, response_id, "order=asc&limit=2&after=msg_3") == ["4", "5"]
    empty = (await items(app, response_id, "after=msg_0")).json()
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "invalid_value"),
        ("limit=101", "limit", "invalid_value"),
        ("limit=x", "limit", "invalid_value"),
        ("limit=", "limit", "invalid_value"),
        ("order=up", "order", "invalid_value"),
        ("after=msg_x", "after", "invalid_value"),
        ("include[]=reasoning.encrypted_content", "include", "unsupported_parameter"),
        ("page=2", "page", "unknown_parameter"),
    ],
)
async def test_what_a_list_cannot_do_is_refused_by_name(
    app: Litestar, query: str, param: str, code: str
) -> None:
    reply = await items(app, (await created(app))["id"], query)
    error = reply.json()["error"]
    assert (reply.status, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize("query", ["stream=true", "starting_after=3", "include_obfuscation=x"])
async def test_a_stream_cannot_be_taken_up_again(app: Litestar, query: str) -> None:
    path = f"{PATH}/{(await created(app))['id']}"
    reply = await request(app, "GET", path, query=query)
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (400, "unsupported_parameter")
    assert error["param"] == query.partition("=")[0]
    assert (await request(app, "GET", path, query="stream=false")).status == 200


async def test_a_deleted_response_is_gone_but_not_from_those_that_went_on(app: Litestar) -> None:
    one = await created(app)
    two = await created(app, input="Why?", previous_response_id=one["id"])
    reply = await request(app, "DELETE", f"{PATH}/{one['id']}")
    assert (reply.status, reply.json()) == (
        200,
        {"id": one["id"], "object": "response", "deleted": True},
    )
    assert (await request(app, "GET", f"{PATH}/{one['id']}")).status == 404
    assert (await request(app, "DELETE", f"{PATH}/{one['id']}")).status == 404
    assert (await items(app, one["id"])).status == 404
    assert await listed(app, two["id"]) == ["Hi", "Hello", "Why?"]


async def test_the_store_is_bounded(app: Litestar) -> None:
    hold_responses(app, ResponseStore(max_responses=2, max_bytes=10_000_000))
    ids = [(await created(app))["id"] for _ in range(2)]
    await request(app, "GET", f"{PATH}/{ids[0]}")
    ids.append((await created(app))["id"])
    statuses = [(await request(app, "GET", f"{PATH}/{each}")).status for each in ids]
    assert statuses == [200, 404, 200], "the one that was used least recently has made room"
