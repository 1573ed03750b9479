"""Tools in Anthropic's dialect."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from service.dialogue.answer import CallDelta
from service.dialogue.message import Message
from service.dialogue.tools.tool import Tool, ToolCall
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel, Script
from tests.unit.service.api.named_events import named_events

pytestmark = pytest.mark.anyio

PATH = "/v1/messages"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ASK: dict[str, Any] = {
    "model": "tiny:1b",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"name": "f", "description": "F", "input_schema": SCHEMA}],
}
CALLS = (
    CallDelta(0, "call_1", "f"),
    CallDelta(0, arguments='{"a"'),
    CallDelta(0, arguments=": 1}"),
    CallDelta(1, "call_2", "f", "{}"),
)


async def test_calls_are_blocks_with_their_input(app: Litestar, script: Script) -> None:
    script.texts, script.calls = ("So: ", ""), CALLS
    body = (await post_json(app, PATH, ASK)).json()
    assert body["stop_reason"] == "tool_use"
    assert body["content"] == [
        {"type": "text", "text": "So: "},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_2", "name": "f", "input": {}},
    ]


async def test_streamed_calls_are_blocks_whose_input_comes_in_pieces(
    app: Litestar, script: Script
) -> None:
    script.texts, script.calls = ("So: ", ""), CALLS
    reply = await post_json(app, PATH, {**ASK, "stream": True})
    data = [data for _, data in named_events(reply)]
    blocks = [each for each in data if each["type"].startswith("content_block")][3:]
    call = {"type": "tool_use", "name": "f", "input": {}}
    assert blocks == [
        {"type": "content_block_start", "index": 1, "content_block": {**call, "id": "call_1"}},
        *(
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": text},
            }
            for text in ('{"a"', ": 1}")
        ),
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": {**call, "id": "call_2"}},
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "content_block_stop", "index": 2},
    ]
    assert data[-2]["delta"]["stop_reason"] == "tool_use"


async def test_half_a_call_is_no_block(app: Litestar, script: Script) -> None:
    script.texts, script.calls, script.finish_reason = ("",), CALLS[:2], "length"
    body = (await post_json(app, PATH, ASK)).json()
    assert (body["content"], body["stop_reason"]) == ([], "model_context_window_exceeded")


async def test_calls_and_results_go_back_in(app: Litestar, model: FakeModel) -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "So: "},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "content": [{"type": "text", "text": "two"}],
                    "is_error": True,
                },
                {"type": "text", "text": "Well?"},
            ],
        },
    ]
    assert (await post_json(app, PATH, {**ASK, "messages": messages})).status == 200
    calls = (ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "f", "{}"))
    assert model.messages[1].content == "So: "
    assert [(call.id, call.name) for call in model.messages[1].tool_calls] == [
        (call.id, call.name) for call in calls
    ]
    assert model.messages[2:] == [
        Message("tool", "one", "f", tool_call_id="t1"),
        Message("tool", "Error: two", "f", tool_call_id="t2"),
        Message("user", "Well?"),
    ]
    (tool,) = model.template_options.tools
    assert (tool.name, tool.description) == ("f", "F")


@pytest.mark.parametrize(
    ("choice", "shown", "forced", "once"),
    [
        ({"type": "auto"}, True, False, False),
        ({"type": "auto", "disable_parallel_tool_use": True}, True, False, True),
        ({"type": "any"}, True, True, False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": True}, True, True, True),
        ({"type": "none"}, False, False, False),
    ],
)
async def test_what_may_be_called_is_what_was_chosen(
    app: Litestar, model: FakeModel, choice: object, shown: bool, forced: bool, once: bool
) -> None:
    assert (await post_json(app, PATH, {**ASK, "tool_choice": choice})).status == 200
    assert bool(model.template_options.tools) is shown
    sources = [spec.source for spec in model.compiled]
    assert len(sources) == shown
    if shown:
        assert ("(.|\\n)" not in sources[0]) is forced
        assert (")*" not in sources[0].splitlines()[0]) is once


async def test_a_tool_that_may_be_relaxed_says_what_is_not_enforced(app: Litestar) -> None:
    schema = {"type": "object", "properties": {"a": {"not": {}}}}
    tool = {"name": "f", "input_schema": schema}
    assert (await post_json(app, PATH, {**ASK, "tools": [tool]})).status == 400
    lenient = await post_json(app, PATH, {**ASK, "tools": [{**tool, "strict": False}]})
    assert lenient.status == 200
    relaxed = lenient.json()["relaxed_keywords"]
    assert relaxed == ["tools[0].input_schema#/properties/a/not"]


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    assert Tool("f").parameters == '{"type":"object","properties":{},"additionalProperties":false}'
