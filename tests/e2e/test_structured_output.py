"""Answers of a given form from a real server: what ends with `stop` is what was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import openai
import outlines
import pytest
from jsonschema import Draft202012Validator
from openai import OpenAI
from pydantic import BaseModel, Field

MODEL = "smollm2:135m"
FRIENDS = (
    "I have two friends. Ann is 22 years old and busy, and Bo is 23 years old and free. "
    "Return a list of friends in JSON format."
)


class Friend(BaseModel):
    name: str
    age: int
    is_available: bool


class FriendList(BaseModel):
    friends: list[Friend] = Field(max_length=2)
    """So small a model would go on with more and more friends."""


SCHEMAS: Mapping[str, dict[str, object]] = {
    "object": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    "friends": FriendList.model_json_schema(),
    "enum": {"enum": ["red", "green", 3, None]},
    "range": {"type": "integer", "minimum": -5, "maximum": 150},
    "short text": {"type": "string", "minLength": 2, "maxLength": 12},
    "pattern": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{2,4}$"},
    "date": {"type": "string", "format": "date"},
    "array": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    "either": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"x": {}}}]},
    "nested": {
        "$defs": {
            "node": {"properties": {"v": {"enum": [1, 2]}, "next": {"$ref": "#/$defs/end"}}},
            "end": {"type": "object", "properties": {"v": {"const": 0}}, "required": ["v"]},
        },
        "$ref": "#/$defs/node",
        "type": "object",
    },
}


@pytest.mark.parametrize("beta", [False, True])
def test_the_official_client_parses_a_pydantic_model(client: OpenAI, beta: bool) -> None:
    completions = client.beta.chat.completions if beta else client.chat.completions
    reply = completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": FRIENDS}],
        response_format=FriendList,
        seed=1,
        max_tokens=400,
    )
    parsed = reply.choices[0].message.parsed
    assert parsed is not None
    assert parsed.friends


def test_the_official_client_parses_a_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=[{"role": "user", "content": FRIENDS}],
        response_format=FriendList,
        seed=2,
        max_tokens=400,
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, FriendList)


def test_what_ends_is_valid_at_any_temperature(client: OpenAI) -> None:
    """All at once, so that constrained answers join and leave a batch with each other."""

    def ask(name: str, temperature: float) -> tuple[str, str | None, str]:
        reply = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Give an example of {name}."}],
            temperature=temperature,
            seed=7,
            max_tokens=60,
            extra_body={"structured_outputs": {"json": SCHEMAS[name]}},
        )
        (choice,) = reply.choices
        return name, choice.message.content, choice.finish_reason

    cases = [(name, temperature) for name in SCHEMAS for temperature in (0, 1, 1.5)]
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda case: ask(*case), cases)]
    ended = [(name, text) for name, text, reason in answers if reason == "stop"]
    assert len(ended) > len(cases) / 2
    for name, text in ended:
        assert text is not None
        Draft202012Validator(SCHEMAS[name]).validate(json.loads(text))


def test_completions_have_forms_too(client: OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL,
        prompt="The number is ",
        n=3,
        seed=3,
        max_tokens=20,
        extra_body={"structured_outputs": {"regex": "[0-9]{2}\\.[0-9]"}},
    )
    for choice in reply.choices:
        assert re.fullmatch(r"[0-9]{2}\.[0-9]", choice.text)
        assert choice.finish_reason == "stop"


def test_a_cut_answer_is_told_so(client: OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model=MODEL,
            messages=[{"role": "user", "content": FRIENDS}],
            response_format=FriendList,
            max_tokens=5,
        )


@pytest.mark.parametrize("max_tokens", [1, 5, 11])
def test_a_cut_answer_is_closed_on_request(client: OpenAI, max_tokens: int) -> None:
    def ask(name: str) -> tuple[str, str]:
        text, reasons = "", []
        for chunk in client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Give an example of {name}."}],
            temperature=1,
            seed=3,
            max_tokens=max_tokens,
            stream=True,
            extra_body={"structured_outputs": {"json": SCHEMAS[name]}, "complete_on_length": True},
        ):
            text += chunk.choices[0].delta.content or ""
            reasons.append(chunk.choices[0].finish_reason)
        assert reasons[-1] in ("stop", "length")
        return name, text

    with ThreadPoolExecutor(4) as threads:
        for name, text in threads.map(ask, SCHEMAS):
            Draft202012Validator(SCHEMAS[name]).validate(json.loads(text))


def test_what_cannot_be_enforced_is_refused_with_its_place(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"c": {"not": {"type": "integer"}}}}
    named = {"name": "n", "schema": schema}
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "x"}],
            extra_body={"response_format": {"type": "json_schema", "json_schema": named}},
        )
    assert raised.value.code == "unsupported_schema"
    assert raised.value.param == "response_format.json_schema.schema"
    assert "#/properties/c" in raised.value.message


def test_outlines_own_clients_work_unchanged(client: OpenAI) -> None:
    """Those for vLLM and for OpenAI, which say what they want in different fields."""
    remote = outlines.from_vllm(client, MODEL)
    answer = remote("Is water wet?", outlines.regex("yes|no"), max_tokens=5)
    assert answer in ("yes", "no")
    text = outlines.from_openai(client, MODEL)(FRIENDS, FriendList, max_tokens=400, seed=1)
    assert FriendList.model_validate_json(str(text)).friends
