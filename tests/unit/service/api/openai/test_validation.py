"""No body does more than get a 400 that names what is wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.completion_create_params import (
    CompletionCreateParamsNonStreaming as TextParamsNonStreaming,
)

from service.api.body import MAX_BODY_BYTES, MAX_DEPTH, nesting_depth
from service.api.openai.chat_schema import ChatRequest
from service.api.openai.completion_schema import CompletionRequest
from service.api.openai.fields import CHAT, COMPLETION, Honoured, Treatment, honoured
from tests.unit.service.api.asgi import JSON_HEADERS, post_json, request
from tests.unit.service.api.fakes import FakeModel

pytestmark = pytest.mark.anyio

PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}
NUMBERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "top_logprobs",
)


def with_raw(field: str, raw: str) -> bytes:
    """ASK with a field whose value need not be valid JSON."""
    return f'{json.dumps(ASK)[:-1]}, "{field}": {raw}}}'.encode()


async def refused(app: Litestar, body: bytes) -> dict[str, Any]:
    reply = await request(app, "POST", PATH, body=body)
    assert reply.status == 400, reply.body
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    "raw",
    ["1e400", '"NaN"', '"1"', "true", "[]", "{}", "9" * 400, "-" + "9" * 400, "-3.5", "1e300"],
)
async def test_a_number_that_is_none_is_refused_by_name(
    app: Litestar, field: str, raw: str
) -> None:
    error = await refused(app, with_raw(field, raw))
    assert error["param"] == field


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("raw", ["NaN", "Infinity", "-Infinity", "01", "1.", "+1", "0x1"])
async def test_a_number_that_json_has_not_is_refused(app: Litestar, field: str, raw: str) -> None:
    assert (await refused(app, with_raw(field, raw)))["code"] == "invalid_json"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.01),
        ("temperature", -0.01),
        ("top_p", -0.1),
        ("top_p", 1.01),
        ("max_tokens", 0),
        ("max_tokens", 2**31),
        ("max_completion_tokens", 5.5),
        ("n", 129),
        ("n", 10**6),
        ("n", True),
        ("logprobs", 1),
        ("top_logprobs", 21),
        ("top_logprobs", 2),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {"x": 1}),
        ("logit_bias", [1]),
        ("top_k", -2),
        ("min_p", 2),
        ("repetition_penalty", 0),
        ("stop_token_ids", [1] * 65),
        ("min_tokens", 0.5),
        ("reasoning_effort", "much"),
        ("chat_template_kwargs", {"messages": "x"}),
        ("chat_template_kwargs", {"enable_thinking": [1]}),
        ("continue_final_message", True),
        ("add_generation_prompt", False),
        ("seed", 2**63),
        ("seed", 1.5),
        ("frequency_penalty", 2.1),
        ("presence_penalty", -2.1),
        ("stop", ""),
        ("stop", ["a"] * 5),
        ("stop", ["a"] * 100_000),
        ("stop", 5),
        ("stream", "true"),
        ("stream", 1),
        ("stream_options", {"include_usage": True}),
        ("messages", []),
        ("messages", "Hi"),
        ("model", ""),
        ("model", "m" * 10_000),
        ("model", 5),
        ("model", None),
    ],
)
async def test_a_value_out_of_range_is_refused_by_name(
    app: Litestar, model: FakeModel, field: str, value: object
) -> None:
    reply = await post_json(app, PATH, {**ASK, field: value})
    assert reply.status == 400
    assert re.split(r"[.\[]", reply.json()["error"]["param"])[0] == field
    assert model.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("modalities", ["audio"]),
        ("reasoning_effort", "high"),
        ("prediction", {"type": "content", "content": "x"}),
    ],
)
async def test_what_is_not_done_is_refused_by_name(
    app: Litestar, field: str, value: object
) -> None:
    error = await refused(app, json.dumps({**ASK, field: value}).encode())
    assert (error["param"], error["code"]) == (field, "unsupported_parameter")


def _call(*, arguments: str = "{}") -> dict[str, object]:
    return {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "critic", "content": "x"}, "messages[0].role"),
        ({"role": "tool"}, "messages[0].content"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": None}, "messages[0].content"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "user", "content": "x", "colour": "red"}, "messages[0].colour"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "messages[0].content[0].type",
        ),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "messages[0].tool_calls[0].function"),
        (
            {"role": "assistant", "tool_calls": [_call(arguments="[1]")]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"role": "user", "content": "x", "tool_calls": [_call()]}, "messages[0]"),
        ({"role": "tool", "content": "x", "tool_call_id": "other"}, "messages[0].tool_call_id"),
        ({"role": "function", "content": "x"}, "messages[0].name"),
    ],
)
async def test_a_wrong_message_is_refused_at_its_place(
    app: Litestar, message: object, param: str
) -> None:
    error = await refused(app, json.dumps({**ASK, "messages": [message]}).encode())
    assert error["param"] == param


async def test_unknown_parameters_are_refused_by_name(app: Litestar) -> None:
    error = await refused(app, json.dumps({**ASK, "temprature": 1}).encode())
    assert (error["param"], error["code"]) == ("temprature", "unknown_parameter")
    error = await refused(
        app, json.dumps({**ASK, "stream": True, "stream_options": {"x": 1}}).encode()
    )
    assert (error["param"], error["code"]) == ("stream_options.x", "unknown_parameter")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xef\xbb\xbf" + json.dumps(ASK).encode(),
        json.dumps(ASK).encode("utf-16"),
        json.dumps(ASK).encode() + b"x",
        json.dumps(ASK).encode().replace(b"Hi", b"\xff"),
        json.dumps(ASK).encode().replace(b"Hi", b"\\ud800"),
        json.dumps(ASK).encode().replace(b"Hi", b"\\ud800\\u0041"),
        json.dumps(ASK).encode().replace(b"tiny", b"\\udfff"),
        *(with_raw("metadata", "[" * n + "]" * n) for n in (100, 10_000, 1_000_000)),
        with_raw("metadata", '{"a":' * 1000 + "1" + "}" * 1000),
        b"[" * 1_000_000,
    ],
)
async def test_what_is_not_a_json_object_is_refused(app: Litestar, body: bytes) -> None:
    error = await refused(app, body)
    assert error["param"] is None


async def test_a_lone_surrogate_is_called_so(app: Litestar) -> None:
    error = await refused(app, json.dumps(ASK).encode().replace(b"Hi", b"\\ud800"))
    assert "surrogate" in error["message"]


async def test_of_a_field_given_twice_the_last_counts(app: Litestar, model: FakeModel) -> None:
    body = with_raw("max_tokens", '3, "max_tokens": 4')
    assert (await request(app, "POST", PATH, body=body)).status == 200
    assert model.calls[0].options.max_tokens == 4


async def test_large_and_strange_texts_are_only_texts(app: Litestar, model: FakeModel) -> None:
    text = "[{" * 100_000 + '\\"\x00\u202e' + "🦊" * 1000
    reply = await post_json(app, PATH, {**ASK, "messages": [{"role": "user", "content": text}]})
    assert reply.status == 200
    assert model.messages[0].content == text


async def test_many_keys_are_refused_soon(app: Litestar) -> None:
    started = time.perf_counter()
    await refused(app, json.dumps({**ASK, **{f"k{i}": i for i in range(100_000)}}).encode())
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_a_413(app: Litestar, declared: bool) -> None:
    chunks = [b" " * 2**20] * (MAX_BODY_BYTES // 2**20) + [b" "]
    headers = dict(JSON_HEADERS)
    if declared:
        headers["content-length"] = str(MAX_BODY_BYTES + 1)
    reply = await request(app, "POST", PATH, body=chunks, headers=headers)
    assert (reply.status, reply.json()["error"]["code"]) == (413, "request_too_large")


async def test_a_body_may_come_in_pieces(app: Litestar) -> None:
    body = json.dumps(ASK).encode()
    pieces = [body[i : i + 7] for i in range(0, len(body), 7)]
    assert (await request(app, "POST", PATH, body=pieces)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_what_does_not_say_that_it_is_json_is_a_415(
    app: Litestar, headers: dict[str, str]
) -> None:
    reply = await request(
        app, "POST", PATH, body=json.dumps(ASK).encode(), headers={"host": "localhost", **headers}
    )
    assert (reply.status, reply.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_charset_may_be_named(app: Litestar) -> None:
    headers = {**JSON_HEADERS, "content-type": "Application/JSON; charset=utf-8"}
    reply = await request(app, "POST", PATH, body=json.dumps(ASK).encode(), headers=headers)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("specified", "struct", "fields"),
    [
        (CompletionCreateParamsNonStreaming, ChatRequest, CHAT),
        (TextParamsNonStreaming, CompletionRequest, COMPLETION),
    ],
)
def test_every_field_of_the_specification_is_accounted_for(
    specified: type, struct: type[msgspec.Struct], fields: Mapping[str, Treatment]
) -> None:
    assert not {*specified.__annotations__, "stream"}.difference(fields)
    for name in set(fields).difference(specified.__annotations__, {"stream"}):
        treatment = fields[name]
        assert isinstance(treatment, Honoured)
        assert "extension" in treatment.note
    assert honoured(fields) == {*struct.__struct_encode_fields__}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=200,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(JSON_VALUES, st.integers(0, 3))
def test_nesting_is_never_taken_for_less_than_it_is(value: object, more: int) -> None:
    body = json.dumps([value] + [[]] * more * MAX_DEPTH).encode()
    depth = nesting_depth(body)
    assert depth >= depth_of([value])
    if more:
        assert depth == max(depth_of([value]), 2)
