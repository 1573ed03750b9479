"""Anthropic's dialect on the wire."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar

from service.api import streamed
from service.app import create_app
from service.dialogue.message import Message
from service.errors import EngineFailure, Overloaded, RetortError
from tests.unit.service.api.asgi import JSON_HEADERS, post_json, request, start
from tests.unit.service.api.fakes import FakeModel, FakePool, Script, fake_pool, settings
from tests.unit.service.api.named_events import NamedEvent, named_events

pytestmark = pytest.mark.anyio

PATH = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
ASK: dict[str, Any] = {
    "model": "tiny:1b",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hi"}],
}


async def streamed_events(app: Litestar, **fields: object) -> list[NamedEvent]:
    return named_events(await post_json(app, PATH, {**ASK, "stream": True, **fields}))


async def test_an_answer_has_every_field_that_the_specification_names(
    app: Litestar, script: Script
) -> None:
    script.num_cached_tokens = 2
    reply = await post_json(app, PATH, ASK)
    body = reply.json()
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert re.fullmatch(r"msg_[A-Za-z0-9]{24}", body.pop("id"))
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": "tiny:1b",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 2,
            "output_tokens": 3,
            "output_tokens_details": {"thinking_tokens": 0},
        },
    }


async def test_a_stream_has_the_documented_events_in_the_documented_order(
    app: Litestar, script: Script
) -> None:
    script.num_cached_tokens = 2
    reply = await post_json(app, PATH, {**ASK, "stream": True})
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    (_, first), *rest = named_events(reply)
    message = first["message"]
    assert first["type"] == "message_start"
    assert re.fullmatch(r"msg_[A-Za-z0-9]{24}", message["id"])
    assert (message["content"], message["stop_reason"]) == ([], None)
    assert (message["role"], message["model"]) == ("assistant", "tiny:1b")
    assert message["usage"]["output_tokens"] == 0
    assert rest == [
        ("ping", {"type": "ping"}),
        (
            "content_block_start",
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
        ),
        text_delta(0, "Hel"),
        text_delta(0, "lo"),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {
                    "input_tokens": 1,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 2,
                    "output_tokens": 3,
                    "output_tokens_details": {"thinking_tokens": 0},
                },
            },
        ),
        ("message_stop", {"type": "message_stop"}),
    ]


def text_delta(index: int, text: str) -> NamedEvent:
    delta = {"type": "text_delta", "text": text}
    return (
        "content_block_delta",
        {"type": "content_block_delta", "index": index, "delta": delta},
    )


async def test_thoughts_are_a_block_of_their_own_before_the_text(
    app: Litestar, script: Script
) -> None:
    script.thoughts, script.texts = ["Let me", " see"], ["Yes"]
    found = await streamed_events(app)
    assert [name for name, _ in found] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    blocks = [data for _, data in found if "index" in data]
    assert [block["index"] for block in blocks] == [0, 0, 0, 0, 0, 1, 1, 1]
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    assert blocks[0]["content_block"] == empty
    assert [block["delta"] for block in blocks if "delta" in block] == [
        {"type": "thinking_delta", "thinking": "Let me"},
        {"type": "thinking_delta", "thinking": " see"},
        {"type": "signature_delta", "signature": ""},
        {"type": "text_delta", "text": "Yes"},
    ]
    whole = (await post_json(app, PATH, ASK)).json()
    assert whole["content"] == [
        {"type": "thinking", "thinking": "Let me see", "signature": ""},
        {"type": "text", "text": "Yes"},
    ]
    assert whole["usage"]["output_tokens_details"] == {"thinking_tokens": 2}


async def test_an_empty_answer_has_no_blocks(app: Litestar, script: Script) -> None:
    script.texts = [""]
    assert (await post_json(app, PATH, ASK)).json()["content"] == []
    names = [name for name, _ in await streamed_events(app)]
    assert names == ["message_start", "ping", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("finish_reason", "stopped_by", "max_tokens", "expected"),
    [
        ("stop", None, 9, ("end_turn", None)),
        ("stop", "END", 9, ("stop_sequence", "END")),
        ("stop", 7, 9, ("end_turn", None)),
        ("length", None, 3, ("max_tokens", None)),
        ("length", None, 9, ("model_context_window_exceeded", None)),
    ],
)
async def test_the_reason_of_the_end_is_told(
    app: Litestar,
    script: Script,
    finish_reason: Any,  # noqa: ANN401
    stopped_by: str | int | None,
    max_tokens: int,
    expected: tuple[str, str | None],
) -> None:
    script.finish_reason, script.stop_reason = finish_reason, stopped_by
    whole = (await post_json(app, PATH, {**ASK, "max_tokens": max_tokens})).json()
    assert (whole["stop_reason"], whole["stop_sequence"]) == expected
    *_, (_, last), _ = await streamed_events(app, max_tokens=max_tokens)
    assert (last["delta"]["stop_reason"], last["delta"]["stop_sequence"]) == expected


async def test_messages_reach_the_model_in_every_documented_form(
    app: Litestar, model: FakeModel
) -> None:
    cached = {"type": "ephemeral", "ttl": "1h"}
    ask = {
        **ASK,
        "system": [
            {"type": "text", "text": "Be ", "cache_control": cached},
            {"type": "text", "text": "brief."},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a", "citations": None}]},
            {"role": "user", "content": "b"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "c"},
                ],
            },
            {"role": "user", "content": "d"},
        ],
    }
    assert (await post_json(app, PATH, ask)).status == 200
    assert model.messages == [
        Message("system", "Be brief."),
        Message("user", "a\n\nb"),
        Message("assistant", "c", reasoning="hm"),
        Message("user", "d"),
    ]
    assert not model.template_options.continues_final_message


async def test_a_final_message_of_the_assistant_is_continued(
    app: Litestar, model: FakeModel
) -> None:
    begun = [*ASK["messages"], {"role": "assistant", "content": "The answer is"}]
    assert (await post_json(app, PATH, {**ASK, "messages": begun})).status == 200
    assert model.template_options.continues_final_message
    assert model.calls[0].options.continues_text
    empty = [*ASK["messages"], {"role": "assistant", "content": ""}]
    reply = await post_json(app, PATH, {**ASK, "messages": empty})
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_parameters_reach_the_model(app: Litestar, model: FakeModel) -> None:
    fields = {
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.25,
        "top_k": 3,
        "stop_sequences": ["a", "b"],
    }
    await post_json(app, PATH, {**ASK, **fields})
    (call,) = model.calls
    assert (call.options.max_tokens, call.options.stop) == (5, ("a", "b"))
    assert (call.sampling.temperature, call.sampling.top_p) == (0.5, 0.25)
    assert call.sampling.top_k == 3


async def test_what_changes_nothing_is_accepted(app: Litestar) -> None:
    ask = {
        **ASK,
        "metadata": {"user_id": "u"},
        "service_tier": "standard_only",
        "cache_control": {"type": "ephemeral"},
        "speed": "standard",
        "tools": [],
        "tool_choice": {"type": "auto"},
        "container": None,
        "thinking": {"type": "disabled"},
        "system": None,
    }
    headers = {**JSON_HEADERS, "anthropic-version": "2099-01-01", "anthropic-beta": "x,y"}
    reply = await request(app, "POST", PATH, body=json.dumps(ask).encode(), headers=headers)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": 1.1}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "f", "input_schema": {}, "type": "bash"}]}, "tools[0].type"),
        ({"tools": [{"name": "f", "input_schema": {}}] * 2}, "Two tools"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        (
            {
                "tools": [{"name": "f", "input_schema": {}}],
                "tool_choice": {"type": "tool", "name": "g"},
            },
            "'g'",
        ),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "between_tools"}}, "thinking"),
        ({"output_config": {"effort": "low"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": ""}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "image"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "tool_use_id"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "t", "content": ""}],
                    }
                ]
            },
            "no earlier message",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
                    }
                ]
            },
            "tool_use",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "x"}]}]},
            "messages[0].content",
        ),
    ],
)
@pytest.mark.parametrize("path", [PATH, COUNT])
async def test_what_is_not_honoured_is_refused_by_name(
    app: Litestar, fields: dict[str, Any], named: str, path: str
) -> None:
    reply = await post_json(app, path, {**ASK, **fields})
    body = reply.json()
    assert reply.status == 400
    assert set(body) == {"type", "error"}
    assert set(body["error"]) == {"type", "message"}
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert named in body["error"]["message"] or path == COUNT


async def test_thinking_is_asked_for_in_the_words_of_the_template(
    app: Litestar, model: FakeModel
) -> None:
    model.may_reason, model.template_variables = True, frozenset({"enable_thinking"})
    for thinking, expected in (
        ({"type": "adaptive", "display": "summarized"}, (("enable_thinking", True),)),
        ({"type": "disabled"}, (("enable_thinking", False),)),
        (None, ()),
    ):
        await post_json(app, PATH, {**ASK, "thinking": thinking})
        assert model.template_options.variables == expected


async def test_effort_is_asked_for_in_the_words_of_the_template(
    app: Litestar, model: FakeModel
) -> None:
    model.may_reason, model.template_variables = True, frozenset({"reasoning_effort"})
    await post_json(app, PATH, {**ASK, "output_config": {"effort": "high"}})
    assert model.template_options.variables == (("reasoning_effort", "high"),)


async def test_thoughts_that_cannot_be_turned_off_are_not_said_to_be(
    app: Litestar, model: FakeModel
) -> None:
    model.may_reason = True
    reply = await post_json(app, PATH, {**ASK, "thinking": {"type": "disabled"}})
    assert reply.status == 400
    assert "thinking.type" in reply.json()["error"]["message"]


async def test_tokens_are_counted_without_generating(app: Litestar, model: FakeModel) -> None:
    ask = {key: value for key, value in ASK.items() if key != "max_tokens"}
    reply = await post_json(app, COUNT, {**ask, "system": "Be brief."})
    assert (reply.status, reply.json()) == (200, {"input_tokens": 13})
    assert not model.calls
    usage = (await post_json(app, PATH, {**ASK, "system": "Be brief."})).json()["usage"]
    assert usage["input_tokens"] == 13


async def test_what_the_count_does_not_depend_on_is_unknown_to_it(app: Litestar) -> None:
    reply = await post_json(app, COUNT, ASK)
    assert reply.status == 400
    assert "max_tokens" in reply.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_model_refuses_has_a_real_status(
    app: Litestar, script: Script, stream: bool
) -> None:
    script.refusal = Overloaded("The queue is full.")
    reply = await post_json(app, PATH, {**ASK, "stream": stream})
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert reply.json() == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "The queue is full."},
    }


async def test_a_failure_before_the_end_of_a_whole_answer_is_a_500(
    app: Litestar, script: Script
) -> None:
    script.error = EngineFailure("A step failed.")
    reply = await post_json(app, PATH, ASK)
    assert (reply.status, reply.json()["error"]["type"]) == (500, "api_error")


@pytest.mark.parametrize("error", [EngineFailure("A step failed."), ValueError("secret path")])
async def test_a_failure_mid_stream_is_an_error_event_and_the_last(
    app: Litestar, script: Script, error: Exception
) -> None:
    script.error = error
    *_, text, (name, failure) = await streamed_events(app)
    assert text == text_delta(0, "lo")
    assert (name, failure["type"], failure["error"]["type"]) == ("error", "error", "api_error")
    assert "secret" not in failure["error"]["message"]


async def test_a_silent_stream_pings(
    app: Litestar, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "PING_INTERVAL_S", 0.01)
    script.hold_before = 1
    body = json.dumps({**ASK, "stream": True}).encode()
    exchange = start(app, "POST", PATH, body=body)
    while exchange.reply.body.count(b"event: ping\n") < 3:
        await asyncio.sleep(0.005)
    script.go_on.set()
    names = [name for name, _ in named_events(await exchange.finished())]
    assert names[-1] == "message_stop"


async def test_hanging_up_aborts(app: Litestar, script: Script, model: FakeModel) -> None:
    script.hold_before = 1
    exchange = start(app, "POST", PATH, body=json.dumps({**ASK, "stream": True}).encode())
    while b"Hel" not in exchange.reply.body:
        await asyncio.sleep(0.005)
    exchange.hang_up()
    await exchange.finished()
    assert model.generations[0].is_aborted


@pytest.fixture
async def locked_app(pool: FakePool) -> AsyncIterator[Litestar]:
    app = create_app(settings(api_keys=("k",)), lambda _: pool)
    async with app.lifespan():
        yield app


async def test_every_error_below_the_route_is_in_the_dialects_shape(
    app: Litestar, locked_app: Litestar, script: Script
) -> None:
    unknown = await post_json(app, PATH, {**ASK, "model": "gpt-99"})
    wrong_verb = await request(app, "GET", PATH)
    no_route = await post_json(app, f"{PATH}/batches", ASK)
    not_json = await request(app, "POST", PATH, body=b"{")
    no_key = await post_json(locked_app, PATH, ASK)
    for reply, status, kind in (
        (unknown, 404, "not_found_error"),
        (wrong_verb, 405, "invalid_request_error"),
        (no_route, 404, "not_found_error"),
        (not_json, 400, "invalid_request_error"),
        (no_key, 401, "authentication_error"),
    ):
        body = reply.json()
        assert (reply.status, body["type"], body["error"]["type"]) == (status, "error", kind)
    assert "POST" in wrong_verb.headers["allow"]
    other = await post_json(app, "/v1/messagesx", ASK)
    assert set(other.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("key_header", ["x-api-key", "authorization"])
async def test_the_key_may_come_as_anthropics_clients_send_it(
    locked_app: Litestar, key_header: str
) -> None:
    key = "k" if key_header == "x-api-key" else "Bearer k"
    headers = {**JSON_HEADERS, key_header: key}
    reply = await request(locked_app, "POST", PATH, body=json.dumps(ASK).encode(), headers=headers)
    assert reply.status == 200


@pytest.mark.parametrize(
    "error", [error for error in RetortError.__subclasses__() if error.status >= 500]
)
async def test_every_failure_of_the_server_is_an_api_error(
    error: type[RetortError],
) -> None:
    pool = fake_pool(Script(refusal=error("It failed.")))
    app = create_app(settings(), lambda _: pool)
    async with app.lifespan():
        reply = await post_json(app, PATH, ASK)
    assert (reply.status, reply.json()["error"]["type"]) == (error.status, "api_error")
