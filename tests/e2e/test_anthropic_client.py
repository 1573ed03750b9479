"""The official Anthropic client against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam, ToolParam
from openai import OpenAI

from tests.unit.service.processes import ServerProcess

MODEL = "smollm2:135m"
CAPITAL: list[MessageParam] = [
    {"role": "user", "content": "What is the capital of France? Answer in one sentence."}
]
GREEDY = {"temperature": 0}
"""Sent beside the fields that newer clients know."""


@pytest.fixture(scope="module")
def claude(server: ServerProcess) -> Iterator[Anthropic]:
    url = f"http://127.0.0.1:{server.port}"
    with Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_message_is_answered_as_the_same_chat_is(claude: Anthropic, client: OpenAI) -> None:
    message = claude.messages.create(
        model=MODEL, max_tokens=100, messages=CAPITAL, extra_body=GREEDY
    )
    chat = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": str(CAPITAL[0]["content"])}],
        temperature=0,
    )
    assert "Paris" in text_of(message)
    assert text_of(message) == chat.choices[0].message.content
    assert (message.role, message.model, message.stop_reason) == ("assistant", MODEL, "end_turn")
    assert chat.usage is not None
    usage = message.usage
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) == chat.usage.prompt_tokens
    assert usage.output_tokens == chat.usage.completion_tokens


def test_the_stream_helper_gathers_the_whole_answer(claude: Anthropic) -> None:
    whole = claude.messages.create(model=MODEL, max_tokens=100, messages=CAPITAL, extra_body=GREEDY)
    with claude.messages.stream(
        model=MODEL, max_tokens=100, messages=CAPITAL, extra_body=GREEDY
    ) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(texts) > 3
    assert "".join(texts) == text_of(final) == text_of(whole)
    assert (final.stop_reason, final.usage.output_tokens) == (
        whole.stop_reason,
        whole.usage.output_tokens,
    )


def test_counted_tokens_are_those_of_the_usage(claude: Anthropic) -> None:
    count = claude.messages.count_tokens(model=MODEL, messages=CAPITAL, system="Be brief.")
    usage = claude.messages.create(
        model=MODEL, max_tokens=1, messages=CAPITAL, system="Be brief."
    ).usage
    assert count.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_a_begun_answer_is_continued(claude: Anthropic) -> None:
    begun: list[MessageParam] = [*CAPITAL, {"role": "assistant", "content": "The capital of"}]
    message = claude.messages.create(model=MODEL, max_tokens=20, messages=begun, extra_body=GREEDY)
    assert text_of(message).startswith(" France")


def test_a_stop_sequence_ends_the_answer_and_is_told(claude: Anthropic) -> None:
    message = claude.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=CAPITAL,
        stop_sequences=["Paris", "nowhere"],
        extra_body=GREEDY,
    )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "Paris")
    assert "Paris" not in text_of(message)


def test_an_answer_cut_short_says_by_what(claude: Anthropic) -> None:
    cut = claude.messages.create(model=MODEL, max_tokens=2, messages=CAPITAL)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 2)
    song: list[MessageParam] = [
        {"role": "user", "content": "Sing."},
        {"role": "assistant", "content": "la la la la " * 90 + "la"},
    ]
    full = claude.messages.create(model=MODEL, max_tokens=4000, messages=song, extra_body=GREEDY)
    usage = full.usage
    prompt_tokens = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    assert full.stop_reason == "model_context_window_exceeded"
    assert prompt_tokens + usage.output_tokens == 512


def test_errors_have_the_classes_of_the_client(claude: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.messages.create(model="claude-0", max_tokens=1, messages=CAPITAL)
    assert missing.value.body == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": missing.value.body["error"]["message"],  # type: ignore[index]
        },
    }
    long: list[MessageParam] = [{"role": "user", "content": "word " * 600}]
    for call in (
        lambda: claude.messages.create(model=MODEL, max_tokens=1, messages=long),
        lambda: claude.messages.create(model=MODEL, max_tokens=1, messages=long, stream=True),
        lambda: claude.messages.create(
            model=MODEL,
            max_tokens=1,
            messages=CAPITAL,
            tools=[{"name": "f", "input_schema": {"type": "object", "not": {}}}],
        ),
    ):
        with pytest.raises(anthropic.BadRequestError):
            call()


WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}},
        "required": ["city"],
    },
}


def test_a_tool_is_used_and_its_result_goes_back_in(claude: Anthropic) -> None:
    ask: MessageParam = {"role": "user", "content": "What is the weather in Paris?"}
    message = claude.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=[ask],
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        extra_body=GREEDY,
    )
    (call,) = message.content
    assert call.type == "tool_use"
    assert message.stop_reason == "tool_use"
    assert set(call.input) == {"city"}
    with claude.messages.stream(
        model=MODEL,
        max_tokens=100,
        messages=[ask],
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        extra_body=GREEDY,
    ) as stream:
        (streamed,) = stream.get_final_message().content
    assert streamed.type == "tool_use"
    assert streamed.input == call.input
    result: MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "It is raining."}],
    }
    answer: MessageParam = {"role": "assistant", "content": message.content}
    after = claude.messages.create(
        model=MODEL,
        max_tokens=40,
        messages=[ask, answer, result],
        tools=[WEATHER],
        extra_body=GREEDY,
    )
    assert "rain" in text_of(after)
