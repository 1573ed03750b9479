"""Tools on responses."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from service.dialogue.answer import CallDelta
from service.dialogue.message import Message
from service.dialogue.tools.tool import ToolCall
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel, Script
from tests.unit.service.api.named_events import named_events

pytestmark = pytest.mark.anyio

PATH = "/v1/responses"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL = {"type": "function", "name": "f", "description": "F", "parameters": SCHEMA, "strict": True}
ASK: dict[str, Any] = {"model": "tiny:1b", "input": "Hi", "tools": [TOOL]}
CALLS = (
    CallDelta(0, "call_1", "f"),
    CallDelta(0, arguments='{"a"'),
    CallDelta(0, arguments=": 1}"),
    CallDelta(1, "call_2", "f", "{}"),
)


def call(call_id: str, arguments: str, status: str = "completed") -> dict[str, str]:
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": "f",
        "arguments": arguments,
        "status": status,
    }


def without_id(item: dict[str, Any]) -> dict[str, Any]:
    assert item["id"].startswith("fc_")
    return {name: value for name, value in item.items() if name != "id"}


async def test_calls_are_items(app: Litestar, script: Script) -> None:
    script.texts, script.calls = ("So: ", ""), CALLS
    body = (await post_json(app, PATH, ASK)).json()
    assert body["status"] == "completed"
    assert body["tools"] == [TOOL]
    message, *calls = body["output"]
    assert message["content"][0]["text"] == "So: "
    assert [without_id(each) for each in calls] == [
        call("call_1", '{"a": 1}'),
        call("call_2", "{}"),
    ]


async def test_calls_alone_need_no_message(app: Litestar, script: Script) -> None:
    script.texts, script.calls = ("",), CALLS
    body = (await post_json(app, PATH, ASK)).json()
    assert [each["type"] for each in body["output"]] == ["function_call"] * 2


async def test_a_call_that_is_cut_is_incomplete(app: Litestar, script: Script) -> None:
    script.texts, script.calls, script.finish_reason = ("",), CALLS[:2], "length"
    for stream in (False, True):
        reply = await post_json(app, PATH, {**ASK, "stream": stream})
        body = named_events(reply)[-1][1]["response"] if stream else reply.json()
        (item,) = body["output"]
        assert without_id(item) == call("call_1", '{"a"', "incomplete")
        assert body["status"] == "incomplete"


async def test_streamed_calls_are_those_of_the_whole_response(
    app: Litestar, script: Script
) -> None:
    script.texts, script.calls = ("So: ", ""), CALLS
    whole = (await post_json(app, PATH, ASK)).json()["output"]
    reply = await post_json(app, PATH, {**ASK, "stream": True})
    events = [data for _, data in named_events(reply)]
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in done] == [0, 1, 2]
    assert [without_id(event["item"]) for event in done[1:]] == [*map(without_id, whole[1:])]
    deltas = [e for e in events if e["type"] == "response.function_call_arguments.delta"]
    assert [(e["output_index"], e["delta"]) for e in deltas] == [
        (1, '{"a"'),
        (1, ": 1}"),
        (2, "{}"),
    ]
    ends = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    assert [(e["name"], e["arguments"]) for e in ends] == [("f", '{"a": 1}'), ("f", "{}")]
    assert events[-1]["response"]["output"] == [event["item"] for event in done]


async def test_calls_and_results_go_on(app: Litestar, model: FakeModel, script: Script) -> None:
    script.texts, script.calls = ("",), CALLS
    first = (await post_json(app, PATH, ASK)).json()
    script.calls = ()
    results = [
        {"type": "function_call_output", "call_id": "call_1", "output": "one"},
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": [{"type": "input_text", "text": "two"}],
        },
    ]
    go_on = {**ASK, "input": results, "previous_response_id": first["id"]}
    assert (await post_json(app, PATH, go_on)).status == 200
    expected = [
        Message("user", "Hi"),
        Message(
            "assistant",
            "",
            tool_calls=(ToolCall("call_1", "f", '{"a": 1}'), ToolCall("call_2", "f", "{}")),
        ),
        Message("tool", "one", "f", tool_call_id="call_1"),
        Message("tool", "two", "f", tool_call_id="call_2"),
    ]
    assert model.messages == expected
    written_out = {**ASK, "input": [{"role": "user", "content": "Hi"}, *first["output"], *results]}
    assert (await post_json(app, PATH, written_out)).status == 200
    assert model.messages == expected


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        ("auto", False),
        ("required", True),
        ({"type": "function", "name": "f"}, True),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}],
            },
            True,
        ),
    ],
)
async def test_the_choice_is_honoured_and_comes_back(
    app: Litestar, model: FakeModel, choice: object, forced: bool
) -> None:
    body = (await post_json(app, PATH, {**ASK, "tool_choice": choice})).json()
    assert body["tool_choice"] == choice
    (spec,) = model.compiled
    assert ("(.|\\n)" not in spec.source) is forced


async def test_with_none_the_model_is_told_of_nothing(app: Litestar, model: FakeModel) -> None:
    assert (await post_json(app, PATH, {**ASK, "tool_choice": "none"})).status == 200
    assert model.template_options.tools == ()
    assert model.compiled == []
