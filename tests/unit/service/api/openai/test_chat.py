from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from service.dialogue.message import Message
from service.dialogue.tools.tool import ToolCall
from service.errors import ContextLengthExceeded, EngineFailure, Overloaded, RetortError
from service.store.manifest import GenerationDefaults
from tests.unit.service.api.asgi import post_json
from tests.unit.service.api.fakes import FakeModel, FakePool, Script

pytestmark = pytest.mark.anyio

PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}


async def test_an_answer_has_every_field_that_the_contract_names(app: Litestar) -> None:
    reply = await post_json(app, PATH, ASK)
    body = reply.json()
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_[0-9a-f]{32}", reply.headers["x-request-id"])
    assert int(reply.headers["openai-processing-ms"]) < 5000
    assert re.fullmatch(r"chatcmpl-[A-Za-z0-9]{24}", body.pop("id"))
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "object": "chat.completion",
        "model": "tiny:1b",
        "system_fingerprint": "fp_test",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 3,
            "total_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


async def test_a_stream_is_role_text_finish_done(app: Litestar) -> None:
    reply = await post_json(app, PATH, {**ASK, "stream": True})
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    *chunks, done = reply.events()
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["system_fingerprint"] == "fp_test"
        assert chunk["choices"][0]["logprobs"] is None
        assert "usage" not in chunk


async def test_asked_for_usage_comes_in_a_chunk_of_its_own_and_is_null_before(
    app: Litestar, script: Script
) -> None:
    script.num_cached_tokens = 2
    ask = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, last, done = (await post_json(app, PATH, ask)).events()
    assert done == "[DONE]"
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 6
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 2


async def test_a_stream_joins_to_the_same_text_as_the_whole_answer(
    app: Litestar, script: Script
) -> None:
    script.texts = ['"quo\\te"', "\n\u2028", "Grüße 🦊", "\x00 data: [DONE]\n\n", ""]
    whole = (await post_json(app, PATH, ASK)).json()["choices"][0]["message"]["content"]
    *chunks, _ = (await post_json(app, PATH, {**ASK, "stream": True})).events()
    joined = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert joined == whole == "".join(script.texts)


async def test_text_in_the_last_delta_is_sent_before_the_finish(
    app: Litestar, script: Script
) -> None:
    script.texts, script.finish_reason = ["all"], "length"
    *chunks, _ = (await post_json(app, PATH, {**ASK, "stream": True})).events()
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["", "all", None]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


async def test_messages_reach_the_model_in_every_documented_form(
    app: Litestar, model: FakeModel
) -> None:
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": None,
        "function_call": None,
        "annotations": [],
        "audio": None,
    }
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts, "name": "ann"},
        answer,
        {"role": "user", "content": ""},
    ]
    reply = await post_json(app, PATH, {**ASK, "messages": messages})
    assert reply.status == 200
    assert model.messages == [
        Message("system", "Be brief."),
        Message("user", "ab", "ann"),
        Message("assistant", ""),
        Message("user", ""),
    ]


async def test_parameters_reach_the_model(app: Litestar, model: FakeModel) -> None:
    ask = {
        **ASK,
        "max_tokens": 5.0,
        "max_completion_tokens": 7,
        "temperature": 0,
        "top_p": 0.5,
        "seed": -1,
        "stop": ["a", "b"],
        "frequency_penalty": -2,
        "presence_penalty": 2,
    }
    await post_json(app, PATH, ask)
    (call,) = model.calls
    assert (call.options.max_tokens, call.options.stop) == (7, ("a", "b"))
    assert (call.sampling.temperature, call.sampling.top_p) == (0.0, 0.5)
    assert (call.sampling.frequency_penalty, call.sampling.presence_penalty) == (-2.0, 2.0)
    assert call.sampling.seed == 2**64 - 1


@pytest.mark.parametrize("value", [None, "absent"])
async def test_what_is_null_or_absent_takes_the_packages_default(
    app: Litestar, pool: FakePool, value: str | None
) -> None:
    names = ("temperature", "top_p", "max_tokens", "seed", "stop", "stream", "n", "tools")
    ask = ASK if value else {**ASK, **dict.fromkeys(names)}
    reply = await post_json(app, PATH, ask)
    assert reply.status == 200
    (call,) = pool.model.calls
    assert (call.options.max_tokens, call.options.stop) == (None, ())
    assert (call.sampling.temperature, call.sampling.top_p) == (1.0, 1.0)
    assert call.sampling.seed is None


async def test_a_package_may_set_temperature_and_top_p(app: Litestar, pool: FakePool) -> None:
    defaults = GenerationDefaults(temperature=0.2, top_p=0.9)
    pool.model.manifest = msgspec.structs.replace(pool.model.manifest, generation=defaults)
    await post_json(app, PATH, ASK)
    await post_json(app, PATH, {**ASK, "temperature": 0, "top_p": 1})
    chosen = [(call.sampling.temperature, call.sampling.top_p) for call in pool.model.calls]
    assert chosen == [(0.2, 0.9), (0.0, 1.0)]


async def test_no_op_values_are_accepted(app: Litestar) -> None:
    ask = {
        **ASK,
        "n": 1,
        "user": "u",
        "metadata": {"a": "b"},
        "store": False,
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "tools": [],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "modalities": ["text"],
        "service_tier": "auto",
    }
    assert (await post_json(app, PATH, ask)).status == 200


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (ContextLengthExceeded(9, 8, param="messages"), 400, "context_length_exceeded"),
        (Overloaded("The queue is full."), 429, "queue_full"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_model_refuses_has_a_real_status(
    app: Litestar, script: Script, refusal: RetortError, status: int, code: str, stream: bool
) -> None:
    script.refusal = refusal
    reply = await post_json(app, PATH, {**ASK, "stream": stream})
    assert reply.status == status
    assert reply.json()["error"]["code"] == code
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert reply.headers.get("retry-after") == ("1" if status == 429 else None)


async def test_a_failure_before_the_end_of_a_whole_answer_is_a_500(
    app: Litestar, script: Script, model: FakeModel
) -> None:
    script.error = EngineFailure("A step failed.")
    reply = await post_json(app, PATH, ASK)
    assert (reply.status, reply.json()["error"]["type"]) == (500, "server_error")
    assert model.generations[0].is_aborted


@pytest.mark.parametrize("error", [EngineFailure("A step failed."), ValueError("secret path")])
async def test_a_failure_mid_stream_is_an_error_event_and_done(
    app: Litestar, script: Script, error: Exception
) -> None:
    script.error = error
    *_, text, failure, done = (await post_json(app, PATH, {**ASK, "stream": True})).events()
    assert text["choices"][0]["delta"] == {"content": "lo"}
    assert failure["error"]["type"] == "server_error"
    assert "secret" not in failure["error"]["message"]
    assert done == "[DONE]"


async def test_an_unknown_model_is_a_404_naming_it(app: Litestar) -> None:
    reply = await post_json(app, PATH, {**ASK, "model": "../../etc/passwd"})
    error = reply.json()["error"]
    assert (reply.status, error["param"], error["code"]) == (404, "model", "model_not_found")


async def test_logprobs_have_the_chat_shape(app: Litestar, script: Script) -> None:
    script.texts = ["Hé", ""]
    ask = {**ASK, "logprobs": True, "top_logprobs": 2}
    (choice,) = (await post_json(app, PATH, ask)).json()["choices"]
    token = {"token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169]}
    other = {"token": "\x07", "logprob": -2.0, "bytes": [7]}
    assert choice["logprobs"] == {
        "content": [{**token, "top_logprobs": [token, other]}],
        "refusal": None,
    }


async def test_streamed_logprobs_come_with_their_text(app: Litestar) -> None:
    ask = {**ASK, "stream": True, "logprobs": True}
    _, *texts, _, _ = (await post_json(app, PATH, ask)).events()
    shown = [
        (choice["delta"]["content"], [item["token"] for item in choice["logprobs"]["content"]])
        for choice in (chunk["choices"][0] for chunk in texts)
    ]
    assert shown == [("Hel", ["Hel"]), ("lo", ["lo"])]


async def test_choices_begin_in_order_and_each_ends_once(app: Litestar, model: FakeModel) -> None:
    *chunks, done = (await post_json(app, PATH, {**ASK, "n": 3, "stream": True})).events()
    assert done == "[DONE]"
    assert model.calls[0].options.num_choices == 3
    first = [chunk["choices"][0] for chunk in chunks[:3]]
    assert [(choice["index"], choice["delta"]["role"]) for choice in first] == [
        (index, "assistant") for index in range(3)
    ]
    for index in range(3):
        own = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        assert sum("role" in choice["delta"] for choice in own) == 1
        assert "".join(choice["delta"].get("content", "") for choice in own) == "Hello"
        assert [choice["finish_reason"] for choice in own] == [None, None, None, "stop"]


async def test_a_prompt_counts_once_whatever_the_choices(app: Litestar) -> None:
    body = (await post_json(app, PATH, {**ASK, "n": 3})).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"]["prompt_tokens"] == 3
    assert body["usage"]["completion_tokens"] == 9


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_come_apart_by_both_names(
    app: Litestar, model: FakeModel, stream: bool
) -> None:
    model.may_reason = True
    model.script.thoughts = ["Hm", "m."]
    reply = await post_json(app, PATH, {**ASK, "stream": stream})
    assert model.calls[0].options.splits_reasoning
    if not stream:
        body = reply.json()
        message = body["choices"][0]["message"]
        assert (message["content"], message["reasoning_content"]) == ("Hello", "Hmm.")
        assert message["reasoning"] == "Hmm."
        assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2
        return
    deltas = [chunk["choices"][0]["delta"] for chunk in reply.events()[:-1]]
    for name in ("reasoning_content", "reasoning"):
        assert "".join(delta.get(name, "") for delta in deltas) == "Hmm."
    assert "".join(delta.get("content", "") for delta in deltas) == "Hello"


async def test_thoughts_and_tool_results_go_back_into_the_history(
    app: Litestar, model: FakeModel
) -> None:
    messages = [
        {"role": "user", "content": "a"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "c",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
            ],
        },
        {"role": "tool", "content": "d", "tool_call_id": "call_1"},
    ]
    assert (await post_json(app, PATH, {**ASK, "messages": messages})).status == 200
    assert model.messages[1:] == [
        Message("assistant", "", reasoning="c", tool_calls=(ToolCall("call_1", "f", "{}"),)),
        Message("tool", "d", "f", tool_call_id="call_1"),
    ]


async def test_a_final_message_can_be_continued(app: Litestar, model: FakeModel) -> None:
    messages = [*ASK["messages"], {"role": "assistant", "content": "The answer is"}]
    ask = {**ASK, "messages": messages, "continue_final_message": True}
    assert (await post_json(app, PATH, {**ask, "add_generation_prompt": False})).status == 200
    assert model.template_options.continues_final_message
    assert model.calls[0].options.continues_text
    refused = await post_json(app, PATH, {**ask, "add_generation_prompt": True})
    assert (refused.status, refused.json()["error"]["param"]) == (400, "add_generation_prompt")


@pytest.mark.parametrize(
    ("effort", "known", "variables"),
    [
        ("none", {"enable_thinking"}, (("enable_thinking", False),)),
        ("medium", {"enable_thinking"}, (("enable_thinking", True),)),
        ("high", {"reasoning_effort"}, (("reasoning_effort", "high"),)),
        ("none", set(), ()),
        ("high", {"enable_thinking"}, None),
        ("low", set(), None),
    ],
)
async def test_an_effort_is_asked_of_the_template_or_refused(
    app: Litestar,
    model: FakeModel,
    effort: str,
    known: set[str],
    variables: tuple[object, ...] | None,
) -> None:
    model.template_variables = frozenset(known)
    reply = await post_json(app, PATH, {**ASK, "reasoning_effort": effort})
    if variables is None:
        assert (reply.status, reply.json()["error"]["param"]) == (400, "reasoning_effort")
    else:
        assert reply.status == 200
        assert model.template_options.variables == variables


async def test_template_variables_reach_the_template(app: Litestar, model: FakeModel) -> None:
    ask = {**ASK, "chat_template_kwargs": {"enable_thinking": False}}
    assert (await post_json(app, PATH, ask)).status == 200
    assert model.template_options.variables == (("enable_thinking", False),)
