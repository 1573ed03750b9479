"""Responses on the wire: the body, the events and their order, what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from litestar import Litestar
from openai.types.responses import InputTokenCountParams
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from service.api.openai.fields import Treatment
from service.api.openai.responses.fields import INPUT_TOKENS, RESPONSES
from service.dialogue.message import Message
from service.errors import ContextLengthExceeded, EngineFailure, Overloaded, RetortError
from tests.unit.service.api.asgi import post_json, request, start
from tests.unit.service.api.fakes import FakeModel, Script
from tests.unit.service.api.named_events import NamedEvent, named_events

pytestmark = pytest.mark.anyio

PATH = "/v1/responses"
ASK: dict[str, Any] = {"model": "tiny:1b", "input": "Hi"}


async def streamed_events(app: Litestar, **fields: object) -> list[NamedEvent]:
    return named_events(await post_json(app, PATH, {**ASK, "stream": True, **fields}))


async def test_an_answer_has_every_field_that_the_specification_names(
    app: Litestar, script: Script
) -> None:
    script.num_cached_tokens = 2
    reply = await post_json(app, PATH, ASK)
    body = reply.json()
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert re.fullmatch(r"resp_[A-Za-z0-9]{24}", body.pop("id"))
    assert re.fullmatch(r"msg_[A-Za-z0-9]{24}", body["output"][0].pop("id"))
    assert body.pop("created_at") > 1_700_000_000
    assert body.pop("completed_at") > 1_700_000_000
    assert body == {
        "object": "response",
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": "tiny:1b",
        "output": [
            {
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
                ],
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 6,
        },
    }


async def test_a_stream_has_the_documented_events_in_the_documented_order(app: Litestar) -> None:
    reply = await post_json(app, PATH, {**ASK, "stream": True})
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert b"[DONE]" not in reply.body
    found = named_events(reply)
    assert [name for name, _ in found] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [data["type"] for _, data in found] == [name for name, _ in found]
    assert [data["sequence_number"] for _, data in found] == [*range(10)]
    created, in_progress, added, part, one, two, done, part_done, item_done, completed = (
        data for _, data in found
    )
    assert created["response"] == in_progress["response"]
    assert (created["response"]["status"], created["response"]["output"]) == ("in_progress", [])
    assert created["response"]["usage"] is None
    item_id = added["item"]["id"]
    place = {"item_id": item_id, "output_index": 0, "content_index": 0}
    assert added["item"] == {
        "type": "message",
        "id": item_id,
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    for event in (part, one, two, done, part_done):
        assert {key: event[key] for key in place} == place
    text = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    assert part["part"] == text
    assert (one["delta"], two["delta"], one["logprobs"]) == ("Hel", "lo", [])
    assert (done["text"], done["logprobs"]) == ("Hello", [])
    assert part_done["part"] == {**text, "text": "Hello"}
    assert item_done["item"]["status"] == "completed"
    response = completed["response"]
    assert response["output"] == [item_done["item"]]
    assert (response["id"], response["status"]) == (created["response"]["id"], "completed")
    assert response["usage"]["total_tokens"] == 6


async def test_a_stream_ends_with_what_would_have_been_the_whole_answer(
    app: Litestar, script: Script
) -> None:
    script.thoughts, script.finish_reason = ["Let me", " see"], "length"
    fields = {"max_output_tokens": 5, "metadata": {"a": "b"}, "instructions": "Be brief."}
    whole = (await post_json(app, PATH, {**ASK, **fields})).json()
    *_, (_, last) = await streamed_events(app, **fields)
    for response in (whole, last["response"]):
        for item in (response, *response["output"]):
            item.pop("id")
        response.pop("created_at")
    assert last["response"] == whole


async def test_thoughts_are_an_item_of_their_own_before_the_message(
    app: Litestar, script: Script
) -> None:
    script.thoughts, script.texts = ["Let me", " see"], ["Yes"]
    found = await streamed_events(app)
    assert [name.removeprefix("response.") for name, _ in found] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    indices = [data["output_index"] for _, data in found if "output_index" in data]
    assert indices == [0] * 7 + [1] * 6
    response = found[-1][1]["response"]
    thoughts, message = response["output"]
    assert re.fullmatch(r"rs_[A-Za-z0-9]{24}", thoughts.pop("id"))
    assert thoughts == {
        "type": "reasoning",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Let me see"}],
    }
    assert message["content"][0]["text"] == "Yes"
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": 2}


async def test_an_answer_cut_short_is_incomplete(app: Litestar, script: Script) -> None:
    script.finish_reason = "length"
    whole = (await post_json(app, PATH, ASK)).json()
    *_, (_, done), (name, last) = await streamed_events(app)
    assert (name, done["item"]["status"]) == ("response.incomplete", "incomplete")
    for response in (whole, last["response"]):
        assert response["status"] == response["output"][0]["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert response["completed_at"] is None


@pytest.mark.parametrize(("thoughts", "kinds"), [((), ["message"]), (("So long",), ["reasoning"])])
async def test_what_has_no_text_is_an_empty_message_or_thoughts_alone(
    app: Litestar, script: Script, thoughts: tuple[str, ...], kinds: list[str]
) -> None:
    script.thoughts, script.texts = thoughts, [""]
    whole = (await post_json(app, PATH, ASK)).json()
    *_, (_, last) = await streamed_events(app)
    for response in (whole, last["response"]):
        assert [item["type"] for item in response["output"]] == kinds


async def test_logprobs_are_those_of_the_text(app: Litestar, script: Script) -> None:
    fields = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    whole = (await post_json(app, PATH, {**ASK, **fields})).json()
    (one, two) = whole["output"][0]["content"][0]["logprobs"]
    assert (one["token"], two["token"], one["bytes"]) == ("Hel", "lo", [72, 101, 108])
    assert [top["logprob"] for top in one["top_logprobs"]] == [-0.5, -2.0]
    found = await streamed_events(app, **fields)
    deltas = [data for name, data in found if name == "response.output_text.delta"]
    assert [delta["logprobs"] for delta in deltas] == [[one], [two]]
    (done,) = (data for name, data in found if name == "response.output_text.done")
    assert done["logprobs"] == [one, two]
    last = found[-1][1]["response"]
    assert last["output"][0]["content"][0]["logprobs"] == [one, two]
    assert last["top_logprobs"] == 2


async def test_items_reach_the_model_in_every_documented_form(
    app: Litestar, model: FakeModel
) -> None:
    cached = {**part("input_text", "a"), "prompt_cache_breakpoint": {"mode": "explicit"}}
    ask = {
        **ASK,
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [cached, part("input_text", "b")]},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [],
                "content": [part("reasoning_text", "hm")],
                "status": "completed",
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {**part("output_text", "c"), "annotations": [], "logprobs": [], "parsed": {}}
                ],
            },
            {"type": "message", "role": "user", "content": "d"},
            {"type": "reasoning", "summary": [part("summary_text", "so")]},
        ],
    }
    reply = await post_json(app, PATH, ask)
    assert reply.status == 200
    assert model.messages == [
        Message("system", "Be brief."),
        Message("system", "Be kind."),
        Message("user", "ab"),
        Message("assistant", "c", reasoning="hm"),
        Message("user", "d"),
        Message("assistant", "", reasoning="so"),
    ]


def part(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "text": text}


async def test_parameters_reach_the_model(app: Litestar, model: FakeModel) -> None:
    fields = {"max_output_tokens": 5.0, "temperature": 0, "top_p": 0.5}
    body = (await post_json(app, PATH, {**ASK, **fields})).json()
    (call,) = model.calls
    assert call.options.max_tokens == body["max_output_tokens"] == 5
    assert call.sampling.temperature == body["temperature"] == 0
    assert call.sampling.top_p == body["top_p"] == 0.5
    assert call.options.prompt_param == "input"


async def test_effort_is_asked_for_in_the_words_of_the_template(
    app: Litestar, model: FakeModel
) -> None:
    model.may_reason, model.template_variables = True, frozenset({"enable_thinking"})
    body = (await post_json(app, PATH, {**ASK, "reasoning": {"effort": "none"}})).json()
    assert model.template_options.variables == (("enable_thinking", False),)
    assert body["reasoning"] == {"effort": "none", "summary": None}


async def test_what_changes_nothing_is_accepted_and_told(app: Litestar) -> None:
    ask = {
        **ASK,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tools": [],
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "truncation": "disabled",
        "background": False,
        "service_tier": "auto",
        "stream_options": {"include_obfuscation": False},
        "user": "u",
        "metadata": {"k": "v"},
    }
    reply = await post_json(app, PATH, ask)
    body = reply.json()
    assert reply.status == 200
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("none", False)
    assert body["metadata"] == {"k": "v"}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "invalid_value"),
    ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name", "invalid_value"),
    ({"tools": [{"type": "function", "name": "f\n"}]}, "tools[0].name", "invalid_value"),
    (
        {"tools": [{"type": "function", "name": "f", "parameters": {"not": {}}}]},
        "tools[0].parameters",
        "unsupported_schema",
    ),
    ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name", "missing_parameter"),
    ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice", "invalid_value"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.name", "missing_parameter"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
    (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"not": {}}}}},
        "text.format.schema",
        "unsupported_schema",
    ),
    ({"text": {"verbosity": "low"}}, "text.verbosity", "unsupported_parameter"),
    ({"reasoning": {"effort": "high"}}, "reasoning.effort", "unsupported_parameter"),
    ({"reasoning": {"summary": "concise"}}, "reasoning.summary", "unsupported_parameter"),
    ({"background": True}, "background", "unsupported_parameter"),
    ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
    ({"prompt": {"id": "p"}}, "prompt", "unsupported_parameter"),
    ({"truncation": "auto"}, "truncation", "unsupported_parameter"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options", "unsupported_parameter"),
    ({"seed": 1}, "seed", "unknown_parameter"),
    ({"include": ["everything"]}, "include[0]", "invalid_value"),
    ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
    ({"temperature": 3}, "temperature", "invalid_value"),
    ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
    ({"max_output_tokens": 1.5}, "max_output_tokens", "invalid_value"),
    ({"metadata": {"k": 1}}, "metadata[...]", "invalid_value"),
    ({"metadata": {"k" * 65: ""}}, "metadata", "invalid_value"),
    ({"input": []}, "input", "invalid_value"),
    ({"input": None}, "input", "invalid_value"),
    ({"input": [7]}, "input[0]", "invalid_value"),
    ({"input": [{"role": "user"}]}, "input[0].content", "missing_parameter"),
    ({"input": [{"role": "tool", "content": ""}]}, "input[0].role", "invalid_value"),
    (
        {"input": [{"role": "user", "content": ""}, {"type": "function_call", "name": "f"}]},
        "input[1].call_id",
        "missing_parameter",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": ""}]},
        "input",
        "invalid_value",
    ),
    ({"input": [{"id": "msg_1"}]}, "input[0].role", "missing_parameter"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        "input[0].content[0].type",
        "invalid_value",
    ),
    (
        {"input": [{"type": "reasoning", "encrypted_content": "x"}]},
        "input[0].encrypted_content",
        "invalid_value",
    ),
    ({"input": [{"role": "user", "content": "", "x": 1}]}, "input[0].x", "unknown_parameter"),
    (
        {"previous_response_id": "resp_x"},
        "previous_response_id",
        "previous_response_not_found",
    ),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
async def test_what_is_not_honoured_is_refused_by_name(
    app: Litestar, fields: dict[str, Any], param: str, code: str, stream: bool
) -> None:
    reply = await post_json(app, PATH, {**ASK, "stream": stream, **fields})
    error = reply.json()["error"]
    assert reply.status == 400
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize(
    ("specified", "fields", "added"),
    [
        (ResponseCreateParamsBase, RESPONSES, {"stream"}),
        (InputTokenCountParams, INPUT_TOKENS, set[str]()),
    ],
)
def test_every_field_of_the_specification_is_accounted_for(
    specified: type, fields: Mapping[str, Treatment], added: set[str]
) -> None:
    assert {*specified.__annotations__, *added} <= set(fields)


async def test_tokens_are_counted_without_generating(app: Litestar, model: FakeModel) -> None:
    one = (await post_json(app, PATH, ASK)).json()
    ask = {"input": "Why?", "previous_response_id": one["id"], "instructions": "Be brief."}
    model.calls.clear()
    reply = await post_json(app, f"{PATH}/input_tokens", {**ASK, **ask})
    assert (reply.status, reply.json()["object"]) == (200, "response.input_tokens")
    assert not model.calls
    usage = (await post_json(app, PATH, {**ASK, **ask})).json()["usage"]
    assert reply.json()["input_tokens"] == usage["input_tokens"] == 24


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1}, "temperature"),
        ({"personality": "friendly"}, "personality"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"input": [7]}, "input[0]"),
    ],
)
async def test_what_has_no_part_in_the_count_is_refused_by_name(
    app: Litestar, fields: dict[str, Any], param: str
) -> None:
    reply = await post_json(app, f"{PATH}/input_tokens", {**ASK, **fields})
    assert (reply.status, reply.json()["error"]["param"]) == (400, param)


async def test_half_a_character_is_no_json(app: Litestar) -> None:
    body = b'{"model":"tiny:1b","input":[{"role":"user","content":"\\ud800"}]}'
    reply = await request(app, "POST", PATH, body=body)
    assert (reply.status, reply.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (ContextLengthExceeded(9, 8, param="input"), 400, "context_length_exceeded"),
        (Overloaded("The queue is full."), 429, "queue_full"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_model_refuses_has_a_real_status(
    app: Litestar, script: Script, refusal: RetortError, status: int, code: str, stream: bool
) -> None:
    script.refusal = refusal
    reply = await post_json(app, PATH, {**ASK, "stream": stream})
    assert (reply.status, reply.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("error", [EngineFailure("A step failed."), ValueError("secret path")])
async def test_a_failure_mid_stream_is_a_failed_response_and_the_last_event(
    app: Litestar, script: Script, error: Exception
) -> None:
    script.error = error
    *_, (_, text), (name, last) = await streamed_events(app)
    assert text["delta"] == "lo"
    response = last["response"]
    assert (name, response["status"]) == ("response.failed", "failed")
    assert response["error"]["code"] == "server_error"
    assert "secret" not in response["error"]["message"]
    assert last["sequence_number"] == text["sequence_number"] + 1
    (item,) = response["output"]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "Hello")
    assert (await request(app, "GET", f"{PATH}/{response['id']}")).status == 404


async def test_a_failure_before_the_end_of_a_whole_answer_is_a_500(
    app: Litestar, script: Script
) -> None:
    script.error = EngineFailure("A step failed.")
    reply = await post_json(app, PATH, ASK)
    assert (reply.status, reply.json()["error"]["type"]) == (500, "server_error")


async def test_hanging_up_aborts_and_stores_nothing(
    app: Litestar, script: Script, model: FakeModel
) -> None:
    script.hold_before = 1
    exchange = start(app, "POST", PATH, body=json.dumps({**ASK, "stream": True}).encode())
    while b"Hel" not in exchange.reply.body:
        await asyncio.sleep(0.005)
    exchange.hang_up()
    events = named_events(await exchange.finished())
    assert model.generations[0].is_aborted
    response_id = events[0][1]["response"]["id"]
    assert (await request(app, "GET", f"{PATH}/{response_id}")).status == 404


async def test_many_small_items_do_not_hold_up_others(app: Litestar) -> None:
    items = [{"role": "user", "content": ""}] * 20_000
    large = asyncio.create_task(post_json(app, PATH, {**ASK, "input": items}))
    longest, before = 0.0, asyncio.get_running_loop().time()
    while not large.done():
        await asyncio.sleep(0.001)
        now = asyncio.get_running_loop().time()
        longest, before = max(longest, now - before), now
    assert (await large).status == 200
    assert longest < 0.8
