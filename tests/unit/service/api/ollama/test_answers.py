"""/api/chat and /api/generate on the wire."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from service.dialogue.answer import CallDelta
from service.dialogue.message import Message
from service.dialogue.tools.tool import ToolCall
from service.errors import EngineFailure, NotEnoughMemory, Overloaded
from service.store.overrides import Overrides, Parameters
from tests.unit.service.api.asgi import Reply, post_json, request, start
from tests.unit.service.api.fakes import FakeModel, FakePool, Script

pytestmark = pytest.mark.anyio

HI = [{"role": "user", "content": "Hi"}]
CHAT: dict[str, Any] = {"model": "tiny:1b", "messages": HI}
GENERATE: dict[str, Any] = {"model": "tiny:1b", "prompt": "Hi"}
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}


def lines(reply: Reply) -> list[Any]:
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.body.endswith(b"\n")
    return [json.loads(line) for line in reply.body.decode().splitlines()]


async def whole(app: Litestar, path: str, content: dict[str, Any]) -> Any:  # noqa: ANN401
    reply = await post_json(app, path, {**content, "stream": False})
    assert reply.status == 200, reply.body
    return reply.json()


async def test_a_chat_streams_unless_it_is_told_not_to(app: Litestar) -> None:
    first, second, last = lines(await post_json(app, "/api/chat", CHAT))
    assert first["message"] == {"role": "assistant", "content": "Hel"}
    assert second["message"]["content"] == "lo"
    assert (first["done"], "done_reason" in first, "eval_count" in first) == (False, False, False)
    assert last["message"] == {"role": "assistant", "content": ""}
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert (last["prompt_eval_count"], last["eval_count"]) == (3, 3)
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (500_000_000, 250_000_000)
    assert last["total_duration"] >= last["load_duration"] > 0
    assert datetime.fromisoformat(last["created_at"]).tzinfo is not None


async def test_the_whole_of_a_chat(app: Litestar, script: Script) -> None:
    script.thoughts = ["Let me", " see"]
    script.finish_reason = "length"
    answer = await whole(app, "/api/chat", CHAT)
    assert answer["message"] == {"role": "assistant", "content": "Hello", "thinking": "Let me see"}
    assert (answer["model"], answer["done_reason"]) == ("tiny:1b", "length")


async def test_a_prompt_is_a_chat_of_one_message(
    app: Litestar, model: FakeModel, script: Script
) -> None:
    script.thoughts = ["Hm"]
    thought, *_ = lines(await post_json(app, "/api/generate", {**GENERATE, "system": "Be nice"}))
    assert model.messages == [Message("system", "Be nice"), Message("user", "Hi")]
    assert (thought["response"], thought["thinking"]) == ("", "Hm")
    answer = await whole(app, "/api/generate", GENERATE)
    assert (answer["response"], answer["thinking"]) == ("Hello", "Hm")
    assert model.messages == [Message("user", "Hi")]


async def test_what_neither_request_nor_model_says_is_as_ollama_has_it(
    app: Litestar, model: FakeModel
) -> None:
    await whole(app, "/api/chat", CHAT)
    sampling = model.calls[-1].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.8, 0.9, 40)
    assert (sampling.min_p, sampling.repetition_penalty, sampling.seed) == (0, 1, None)
    assert model.calls[-1].options.max_tokens is None
    model.parameters = Parameters(temperature=0.3, num_predict=7, stop=("END",))
    await whole(app, "/api/chat", CHAT)
    call = model.calls[-1]
    assert (call.sampling.temperature, call.sampling.top_p) == (0.3, 0.9)
    assert (call.options.max_tokens, call.options.stop) == (7, ("END",))


async def test_options_come_before_the_models_own(app: Litestar, model: FakeModel) -> None:
    model.parameters = Parameters(temperature=0.3, num_predict=7, repeat_penalty=1.3, seed=5)
    options = {
        "temperature": 0,
        "top_k": 3.0,
        "top_p": 0.5,
        "min_p": 0.1,
        "seed": 9,
        "num_predict": -1,
        "stop": "x",
        "repeat_last_n": -1,
        "presence_penalty": 1,
        "num_keep": None,
        "typical_p": 1,
    }
    await whole(app, "/api/generate", {**GENERATE, "options": options})
    call = model.calls[-1]
    assert (call.sampling.temperature, call.sampling.top_k, call.sampling.top_p) == (0, 3, 0.5)
    assert (call.sampling.min_p, call.sampling.seed, call.sampling.presence_penalty) == (0.1, 9, 1)
    assert (call.sampling.repetition_penalty, call.sampling.repetition_window) == (1.3, None)
    assert (call.options.max_tokens, call.options.stop) == (None, ("x",))


async def test_a_context_and_a_template_decide_how_the_model_is_loaded(
    app: Litestar, pool: FakePool
) -> None:
    asked = {**GENERATE, "options": {"num_ctx": 64}, "template": "{{ .Prompt }}"}
    await whole(app, "/api/generate", asked)
    assert pool.leases[-1].overrides == Overrides(
        parameters=Parameters(num_ctx=64), template="{{ .Prompt }}"
    )
    await whole(app, "/api/chat", {**CHAT, "keep_alive": "2m"})
    assert pool.leases[-1].overrides == Overrides()
    assert pool.leases[-1].keep_alive_s == 120
    assert all(lease.is_released for lease in pool.leases)


async def test_raw_prompts_and_holes_are_no_conversations(app: Litestar, model: FakeModel) -> None:
    model.infill = True
    await whole(app, "/api/generate", {**GENERATE, "raw": True})
    assert model.calls[-1].prompt_token_ids == model.encode_text("Hi")
    assert model.calls[-1].options.continues_text
    await whole(app, "/api/generate", {**GENERATE, "suffix": "!"})
    assert model.calls[-1].prompt_token_ids == model.encode_infill("Hi", "!")
    assert model.messages == []


async def test_calls_come_whole_and_with_their_arguments_as_objects(
    app: Litestar, script: Script
) -> None:
    script.texts = ("",)
    script.calls = [
        CallDelta(0, "call_1", "add"),
        CallDelta(0, arguments='{"a":'),
        CallDelta(0, arguments="1}"),
        CallDelta(1, "call_2", "add", '{"a":2}'),
    ]
    expected = [
        {"id": "call_1", "function": {"index": 0, "name": "add", "arguments": {"a": 1}}},
        {"id": "call_2", "function": {"index": 1, "name": "add", "arguments": {"a": 2}}},
    ]
    asked = {**CHAT, "tools": [TOOL]}
    answer = await whole(app, "/api/chat", asked)
    assert answer["message"]["tool_calls"] == expected
    assert answer["done_reason"] == "stop"
    *told, _ = lines(await post_json(app, "/api/chat", asked))
    assert [each["message"]["tool_calls"] for each in told] == [[call] for call in expected]


async def test_a_call_that_was_cut_is_left_out(app: Litestar, script: Script) -> None:
    script.texts, script.finish_reason = ("",), "length"
    script.calls = [CallDelta(0, "call_1", "add", '{"a":')]
    answer = await whole(app, "/api/chat", {**CHAT, "tools": [TOOL]})
    assert "tool_calls" not in answer["message"]
    (only,) = lines(await post_json(app, "/api/chat", {**CHAT, "tools": [TOOL]}))
    assert only["done_reason"] == "length"


async def test_results_find_the_calls_that_they_answer(app: Litestar, model: FakeModel) -> None:
    def call(name: str, **more: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {"a": 1}}, **more}

    messages = [
        *HI,
        {
            "role": "assistant",
            "thinking": "Hm",
            "tool_calls": [call("add"), call("sub"), call("mul", id="m1")],
        },
        {"role": "tool", "content": "sub's", "tool_name": "sub"},
        {"role": "tool", "content": "mul's", "tool_call_id": "m1"},
        {"role": "tool", "content": "add's"},
    ]
    await whole(app, "/api/chat", {**CHAT, "messages": messages})
    _, calls, *results = model.messages
    assert calls.reasoning == "Hm"
    assert calls.tool_calls[0] == ToolCall("call_1", "add", '{"a":1}')
    assert [(each.name, each.tool_call_id) for each in results] == [
        ("sub", "call_2"),
        ("mul", "m1"),
        ("add", "call_1"),
    ]


async def test_a_final_message_of_the_assistant_is_continued(
    app: Litestar, model: FakeModel
) -> None:
    begun = [*HI, {"role": "assistant", "content": "Well,"}]
    await whole(app, "/api/chat", {**CHAT, "messages": begun})
    assert model.template_options.continues_final_message
    assert model.calls[-1].options.continues_text


@pytest.mark.parametrize(
    ("think", "variables", "knows"),
    [
        (True, {"enable_thinking": True}, "enable_thinking"),
        (False, {"enable_thinking": False}, "enable_thinking"),
        ("high", {"reasoning_effort": "high"}, "reasoning_effort"),
        (True, {}, "reasoning_effort"),
        (None, {}, "enable_thinking"),
        (False, {}, ""),
    ],
)
async def test_thinking_is_asked_for_as_the_template_has_it(
    app: Litestar, model: FakeModel, think: object, variables: dict[str, object], knows: str
) -> None:
    model.template_variables = frozenset({knows})
    await whole(app, "/api/chat", {**CHAT, "think": think})
    assert dict(model.template_options.variables) == variables


async def test_logprobs_stand_beside_the_text(app: Litestar) -> None:
    asked = {**GENERATE, "logprobs": True, "top_logprobs": 2}
    answer = await whole(app, "/api/generate", asked)
    assert [each["token"] for each in answer["logprobs"]] == ["Hel", "lo"]
    assert len(answer["logprobs"][0]["top_logprobs"]) == 2
    first, *_ = lines(await post_json(app, "/api/generate", asked))
    assert (first["response"], len(first["logprobs"])) == ("Hel", 1)


async def test_formats_are_held_to(app: Litestar, model: FakeModel) -> None:
    await whole(app, "/api/chat", {**CHAT, "format": {"type": "object"}})
    await whole(app, "/api/generate", {**GENERATE, "format": "json"})
    await whole(app, "/api/generate", {**GENERATE, "format": "", "raw": True})
    assert len(model.compiled) == 2
    assert model.calls[-1].options.form is None


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat"])
async def test_without_anything_to_answer_the_model_is_loaded_or_unloaded(
    app: Litestar, pool: FakePool, path: str
) -> None:
    reply = await post_json(app, path, {"model": "tiny:1b", "keep_alive": -1})
    assert reply.headers["content-type"] == "application/json"
    assert (reply.json()["done"], reply.json()["done_reason"]) == (True, "load")
    assert pool.leases[-1].keep_alive_s == float("inf")
    reply = await post_json(app, path, {"model": "tiny:1b", "keep_alive": 0})
    assert reply.json()["done_reason"] == "unload"
    assert pool.unloaded == ["tiny:1b"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({**GENERATE, "raw": True, "system": "x"}, "system"),
        ({**GENERATE, "raw": True, "template": "x"}, "template"),
        ({**GENERATE, "raw": True, "context": [1]}, "context"),
        ({**GENERATE, "suffix": "x"}, "suffix"),
        ({**GENERATE, "images": ["aGk="]}, "images"),
        ({**GENERATE, "template": "{{ if }}"}, "template"),
        ({**GENERATE, "format": "yaml"}, "format"),
        ({**GENERATE, "format": "json", "options": {"stop": ["x"]}}, "options.stop"),
        ({**GENERATE, "top_logprobs": 2}, "top_logprobs"),
        ({**GENERATE, "truncate": True}, "truncate"),
        ({**GENERATE, "think": "hard"}, "think"),
        ({**GENERATE, "keep_alive": "soon"}, "keep_alive"),
        ({**GENERATE, "options": {"num_thread": 4}}, "options.num_thread"),
        ({**GENERATE, "options": {"stop": ["x", 1]}}, "options.stop[1]"),
        ({**GENERATE, "options": {"seed": {}}}, "options.seed"),
        ({**GENERATE, "options": {"mirostat": [0]}}, "options.mirostat"),
        ({**GENERATE, "options": {"typical_p": 0.5}}, "options.typical_p"),
        ({**GENERATE, "options": {"use_mlock": True}}, "options.use_mlock"),
        ({**GENERATE, "options": {"top_k": "3"}}, "options.top_k"),
        ({**GENERATE, "options": {"num_predict": 0}}, "options.num_predict"),
        ({**GENERATE, "options": {"what": 0}}, "options.what"),
        ({**GENERATE, "what": 0}, "what"),
    ],
)
async def test_what_a_prompt_cannot_have_is_refused_by_name(
    app: Litestar, content: dict[str, Any], named: str
) -> None:
    reply = await post_json(app, "/api/generate", content)
    assert reply.status == 400
    assert list(reply.json()) == ["error"]
    assert named in reply.json()["error"]


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([{"role": "user", "content": "Hi", "images": ["aGk="]}], "messages[0].images"),
        ([{"role": "developer", "content": "Hi"}], "messages[0].role"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content"),
        ([*HI, {"role": "assistant", "content": ""}], "messages"),
        ([{"role": "user", "thinking": "x"}], "messages[0]"),
        ([*HI, {"role": "tool", "tool_call_id": "no"}], "messages[1].tool_call_id"),
    ],
)
async def test_what_a_conversation_cannot_have_is_refused_by_name(
    app: Litestar, messages: list[Any], named: str
) -> None:
    reply = await post_json(app, "/api/chat", {**CHAT, "messages": messages})
    assert reply.status == 400
    assert named in reply.json()["error"]


async def test_a_full_queue_is_a_503(app: Litestar, script: Script) -> None:
    script.refusal = Overloaded("The queue is full.")
    reply = await post_json(app, "/api/chat", CHAT)
    assert (reply.status, reply.json()) == (503, {"error": "The queue is full."})
    assert reply.headers["retry-after"]


async def test_errors_have_ollamas_shape_and_their_statuses(app: Litestar, pool: FakePool) -> None:
    reply = await post_json(app, "/api/chat", {**CHAT, "model": "no"})
    assert (reply.status, list(reply.json())) == (404, ["error"])
    pool.load_failure = NotEnoughMemory("It needs 2 GB and there is 1.")
    reply = await post_json(app, "/api/chat", CHAT)
    assert (reply.status, reply.json()["error"]) == (503, "It needs 2 GB and there is 1.")
    for method, path, status in [("GET", "/api/nothing", 404), ("GET", "/api/chat", 405)]:
        reply = await request(app, method, path)
        assert (reply.status, list(reply.json())) == (status, ["error"])


async def test_a_failure_mid_stream_is_the_last_line(app: Litestar, script: Script) -> None:
    script.error = EngineFailure("A step failed.")
    *told, last = lines(await post_json(app, "/api/chat", CHAT))
    assert len(told) == 2
    assert last == {"error": "A step failed."}


async def test_a_client_that_goes_ends_its_generation(
    app: Litestar, model: FakeModel, script: Script
) -> None:
    script.hold_before = 1
    exchange = start(app, "POST", "/api/chat", body=msgspec.json.encode(CHAT))
    while not exchange.reply.sends:
        await asyncio_turn()
    exchange.hang_up()
    await exchange.finished()
    assert model.generations[0].is_aborted


@pytest.mark.parametrize(
    "said",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain;charset=UTF-8"},
        {},
    ],
)
async def test_what_curl_and_fetch_send_is_taken_for_json_unless_a_page_has_sent_it(
    app: Litestar, said: dict[str, str]
) -> None:
    body = msgspec.json.encode({**CHAT, "stream": False})
    headers = {"host": "localhost", **said}
    assert (await request(app, "POST", "/api/chat", body=body, headers=headers)).status == 200
    page = {**headers, "origin": "http://localhost:3000"}
    assert (await request(app, "POST", "/api/chat", body=body, headers=page)).status == 415
    assert (await request(app, "POST", "/v1/completions", body=body, headers=headers)).status == 415


async def test_what_says_that_it_is_something_else_is_refused(app: Litestar) -> None:
    headers = {"host": "localhost", "content-type": "text/html"}
    assert (await request(app, "POST", "/api/chat", body=b"{}", headers=headers)).status == 415


async def asyncio_turn() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"model": "x"}, "from"),
        ({"from": "tiny:1b"}, "model"),
        ({"model": "../x", "from": "tiny:1b"}, "model"),
        ({"model": "x", "from": "/etc/passwd"}, "from"),
        ({"model": "x", "from": "tiny:1b", "quantize": "q4_0"}, "quantize"),
        ({"model": "x", "from": "tiny:1b", "adapters": {"a": "b"}}, "adapters"),
        ({"model": "x", "from": "tiny:1b", "template": "{% if %}"}, "template"),
        ({"model": "x", "from": "tiny:1b", "parameters": {"num_gpu": 1}}, "parameters.num_gpu"),
    ],
)
async def test_what_no_model_can_be_made_of_is_refused_by_name(
    app: Litestar, content: dict[str, Any], named: str
) -> None:
    reply = await post_json(app, "/api/create", content)
    assert reply.status == 400
    assert named in reply.json()["error"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a b", "~/x", "con", ""])
async def test_only_names_are_pulled(app: Litestar, name: str) -> None:
    reply = await post_json(app, "/api/pull", {"model": name})
    assert (reply.status, list(reply.json())) == (400, ["error"])
