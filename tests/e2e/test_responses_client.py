"""The official OpenAI client's responses against a real server."""

from __future__ import annotations

import json
import math

import openai
import pytest
from openai import OpenAI
from openai.types.responses import (
    FunctionToolParam,
    ResponseInputParam,
    ResponseOutputMessage,
)

MODEL = "smollm2:135m"
CAPITAL = "What is the capital of France? Answer in one sentence."


def test_a_text_is_answered_as_the_same_chat_is(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=CAPITAL, temperature=0)
    chat = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": CAPITAL}], temperature=0
    )
    assert "Paris" in response.output_text
    assert response.output_text == chat.choices[0].message.content
    assert (response.status, response.model, response.error) == ("completed", MODEL, None)
    assert response.usage is not None
    assert chat.usage is not None
    assert response.usage.input_tokens == chat.usage.prompt_tokens
    assert response.usage.output_tokens == chat.usage.completion_tokens
    count = client.responses.input_tokens.count(model=MODEL, input=CAPITAL)
    assert count.input_tokens == response.usage.input_tokens


def test_the_stream_helper_gathers_the_whole_answer(client: OpenAI) -> None:
    whole = client.responses.create(model=MODEL, input=CAPITAL, temperature=0)
    with client.responses.stream(model=MODEL, input=CAPITAL, temperature=0) as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 3
    assert deltas[-1].snapshot == final.output_text == whole.output_text
    assert [event.sequence_number for event in events] == [*range(len(events))]
    assert final.usage is not None
    assert whole.usage is not None
    assert final.usage.total_tokens == whole.usage.total_tokens
    assert client.responses.retrieve(final.id).output_text == final.output_text


def test_raw_events_can_be_iterated(client: OpenAI) -> None:
    kinds = [
        event.type
        for event in client.responses.create(
            model=MODEL, input=CAPITAL, temperature=0, max_output_tokens=3, stream=True
        )
    ]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.incomplete")


def test_instructions_and_earlier_responses_are_the_context(client: OpenAI) -> None:
    one = client.responses.create(
        model=MODEL, input="My name is Zoltan.", instructions="Be brief.", temperature=0
    )
    two = client.responses.create(
        model=MODEL, input="What is my name?", previous_response_id=one.id, temperature=0
    )
    said: ResponseInputParam = [{"role": "user", "content": "My name is Zoltan."}]
    said += [item.to_dict() for item in one.output]  # type: ignore[misc]
    said += [{"role": "user", "content": "What is my name?"}]
    told = client.responses.create(model=MODEL, input=said, temperature=0)
    assert two.output_text == told.output_text
    assert two.usage is not None
    assert told.usage is not None
    assert two.usage.input_tokens == told.usage.input_tokens
    items = list(client.responses.input_items.list(two.id, order="asc", limit=1))
    assert [item.type for item in items] == ["message"] * 3
    assert isinstance(items[1], ResponseOutputMessage)


def test_deleted_and_unstored_responses_are_gone(client: OpenAI) -> None:
    kept = client.responses.create(model=MODEL, input="Hi", max_output_tokens=1)
    client.responses.delete(kept.id)
    unstored = client.responses.create(model=MODEL, input="Hi", max_output_tokens=1, store=False)
    for gone in (kept, unstored):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(gone.id)
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=MODEL, input="Hi", previous_response_id=gone.id)
        assert caught.value.code == "previous_response_not_found"


def test_logprobs_come_with_the_text_when_asked_for(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input=CAPITAL,
        temperature=0,
        max_output_tokens=4,
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage)
    (part,) = message.content
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert "".join(item.token for item in part.logprobs).strip() == part.text.strip()
    for item in part.logprobs:
        assert math.isclose(item.top_logprobs[0].logprob, item.logprob, abs_tol=1e-6)
        assert len(item.top_logprobs) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_names_the_parameter(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="word " * 600, stream=stream)
    assert (caught.value.param, caught.value.code) == ("input", "context_length_exceeded")


WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}},
        "required": ["city"],
    },
    "strict": True,
}


def test_a_function_is_called_and_its_result_goes_on(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input="What is the weather in Paris?",
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    )
    (call,) = response.output
    assert call.type == "function_call"
    assert set(json.loads(call.arguments)) == {"city"}
    with client.responses.stream(
        model=MODEL,
        input="What is the weather in Paris?",
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    ) as stream:
        (streamed,) = stream.get_final_response().output
    assert streamed.type == "function_call"
    assert streamed.arguments == call.arguments
    after = client.responses.create(
        model=MODEL,
        previous_response_id=response.id,
        input=[
            {"type": "function_call_output", "call_id": call.call_id, "output": "It is raining."}
        ],
        tools=[WEATHER],
        temperature=0,
        max_output_tokens=40,
    )
    assert "rain" in after.output_text
