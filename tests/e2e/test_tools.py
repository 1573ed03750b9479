"""Calls of tools from a real server, through the official client: valid whatever the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

import openai
import pytest
from jsonschema import Draft202012Validator
from openai import OpenAI
from openai.types.chat import (
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolParam,
)
from openai.types.chat.completion_create_params import Function
from pydantic import BaseModel, Field

MODEL = "smollm2:135m"
BEGIN_OF_JSON = "39428"
"""The model's token of a brace and a quote."""
ASK: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the weather in Paris?"}
]
SCHEMAS: Mapping[str, dict[str, object]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 30},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
    "add": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "maximum": 99}},
        "required": ["a", "b"],
    },
    "now": {"type": "object", "properties": {}},
}


def tool(name: str) -> ChatCompletionToolParam:
    function = {"name": name, "description": f"Does {name}", "parameters": SCHEMAS[name]}
    return {"type": "function", "function": function}  # type: ignore[typeddict-item]


TOOLS = [tool(name) for name in SCHEMAS]


def check(name: str, arguments: str) -> None:
    schema = {**SCHEMAS[name], "additionalProperties": False}
    Draft202012Validator(schema).validate(json.loads(arguments))


@pytest.mark.parametrize("temperature", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_required_calls_are_valid_at_any_temperature(
    client: OpenAI, temperature: float, seed: int
) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=temperature,
        seed=seed,
        max_tokens=200,
    )
    (choice,) = reply.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    (made,) = choice.message.tool_calls
    assert made.type == "function"
    assert made.id.startswith("call_")
    check(made.function.name, made.function.arguments)


@pytest.mark.parametrize(
    ("choice", "finish_reason"),
    [
        ({"type": "function", "function": {"name": "add"}}, "stop"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "add"}}],
                },
            },
            "tool_calls",
        ),
    ],
)
def test_the_tool_that_was_named_is_called(
    client: OpenAI, choice: ChatCompletionToolChoiceOptionParam, finish_reason: str
) -> None:
    reply = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=TOOLS,
        tool_choice=choice,
        parallel_tool_calls=False,
        max_tokens=200,
        seed=1,
    )
    assert reply.choices[0].finish_reason == finish_reason
    (made,) = reply.choices[0].message.tool_calls or []
    assert made.type == "function"
    assert made.function.name == "add"
    check("add", made.function.arguments)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_chosen_freely_is_text_or_valid_calls(client: OpenAI, seed: int) -> None:
    reply = client.chat.completions.create(
        model=MODEL, messages=ASK, tools=TOOLS, temperature=1.2, seed=seed, max_tokens=120
    )
    (choice,) = reply.choices
    calls = choice.message.tool_calls or []
    if choice.finish_reason != "length":
        assert choice.finish_reason == ("tool_calls" if calls else "stop")
        for made in calls:
            assert made.type == "function"
            check(made.function.name, made.function.arguments)
    assert calls or choice.message.content


def test_with_none_nothing_is_called_and_the_model_is_told_of_nothing(client: OpenAI) -> None:
    plain = client.chat.completions.create(model=MODEL, messages=ASK, temperature=0, max_tokens=20)
    none = client.chat.completions.create(
        model=MODEL, messages=ASK, temperature=0, max_tokens=20, tools=TOOLS, tool_choice="none"
    )
    assert none.choices[0].message.content == plain.choices[0].message.content
    assert none.choices[0].message.tool_calls is None


def test_streamed_calls_are_those_of_the_whole_reply(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=ASK,
        tools=TOOLS,
        tool_choice="required",
        temperature=0,
        max_tokens=300,
    ) as stream:
        events = list(stream)
        streamed = stream.get_final_completion().choices[0]
    whole = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=TOOLS,
        tool_choice="required",
        temperature=0,
        max_tokens=300,
    ).choices[0]
    assert streamed.finish_reason == whole.finish_reason == "tool_calls"
    calls = [made.function for made in streamed.message.tool_calls or []]
    expected = [made.function for made in whole.message.tool_calls or [] if made.type == "function"]
    assert [(each.name, each.arguments) for each in calls] == [
        (each.name, each.arguments) for each in expected
    ]
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [event.index for event in done] == list(range(len(calls)))
    assert len({made.id for made in streamed.message.tool_calls or []}) == len(calls)


def test_several_calls_come_one_behind_the_other(client: OpenAI) -> None:
    """So small a model repeats itself, so that two are sure to come."""
    reply = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=[tool("get_weather")],
        tool_choice="required",
        temperature=0,
        max_tokens=300,
    )
    calls = reply.choices[0].message.tool_calls or []
    assert len(calls) > 1
    for made in calls:
        assert made.type == "function"
        check(made.function.name, made.function.arguments)


def test_results_go_back_in(client: OpenAI) -> None:
    called: ChatCompletionMessageParam = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
            }
        ],
    }
    shapes: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": "call_1", "content": "It is raining."},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "text", "text": "It is raining."}],
        },
    ]
    replies = [
        client.chat.completions.create(
            model=MODEL, messages=[*ASK, called, result], tools=TOOLS, temperature=0, max_tokens=30
        ).choices[0]
        for result in shapes
    ]
    texts = {reply.message.content for reply in replies}
    assert len(texts) == 1
    assert "rain" in (texts.pop() or "")


class Weather(BaseModel):
    """The weather in a city"""

    city: str = Field(max_length=30)
    unit: Literal["celsius", "fahrenheit"]


def test_the_client_parses_arguments_into_its_models(client: OpenAI) -> None:
    reply = client.chat.completions.parse(
        model=MODEL,
        messages=ASK,
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
        max_tokens=100,
    )
    (made,) = reply.choices[0].message.tool_calls or []
    assert isinstance(made.function.parsed_arguments, Weather)


def test_the_older_functions_still_work(client: OpenAI) -> None:
    function: Function = {"name": "add", "parameters": SCHEMAS["add"]}
    reply = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        functions=[function],
        function_call={"name": "add"},
        temperature=0,
        max_tokens=100,
    )
    called = reply.choices[0].message.function_call
    assert called is not None
    check("add", called.arguments)
    messages: list[ChatCompletionMessageParam] = [
        *ASK,
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "add", "arguments": called.arguments},
        },
        {"role": "function", "name": "add", "content": "3"},
    ]
    after = client.chat.completions.create(
        model=MODEL, messages=messages, temperature=0, max_tokens=10
    )
    assert after.choices[0].message.content


def test_an_answer_in_json_may_spell_how_calls_begin(client: OpenAI) -> None:
    """Beside tools that need not be called."""
    spelled = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    reply = client.chat.completions.create(
        model=MODEL,
        messages=ASK,
        tools=TOOLS,
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "spelled",
                "schema": {
                    "type": "object",
                    "properties": {"x": {"const": spelled}},
                    "required": ["x"],
                },
            },
        },
        logit_bias={BEGIN_OF_JSON: 100},
        max_tokens=100,
    )
    (choice,) = reply.choices
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert json.loads(choice.message.content or "") == {"x": spelled}


def test_a_call_that_is_cut_says_so_or_is_completed(client: OpenAI) -> None:
    arguments: list[str] = []
    for completes in (False, True):
        reply = client.chat.completions.create(
            model=MODEL,
            messages=ASK,
            tools=TOOLS,
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            temperature=0,
            max_tokens=16,
            extra_body={"complete_on_length": completes},
        )
        assert reply.choices[0].finish_reason == "length"
        for made in reply.choices[0].message.tool_calls or []:
            assert made.type == "function"
            arguments.append(made.function.arguments)
    check("get_weather", arguments[-1])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {
                "tools": TOOLS,
                "tool_choice": {"type": "function", "function": {"name": "subtract"}},
            },
            "tool_choice.function.name",
        ),
        ({"tools": [*TOOLS, TOOLS[0]]}, "tools[3]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"not": {}}}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": TOOLS, "tool_choice": "required", "stop": ["x"]}, "stop"),
        ({"tools": TOOLS, "min_tokens": 5}, "min_tokens"),
        ({"tools": TOOLS, "structured_outputs": {"regex": "a"}}, "structured_outputs.regex"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    client: OpenAI, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=ASK, extra_body=fields)
    assert refused.value.param == param
