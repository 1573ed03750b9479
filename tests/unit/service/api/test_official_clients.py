"""The official clients' stream helpers, fed with what no small model does when it is asked to."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from service.errors import EngineFailure
from tests.unit.service.api.fakes import Script, fake_pool, settings
from tests.unit.service.api.openapi.served import served


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with served(settings(), lambda _: fake_pool(script)) as url:
        yield url


@pytest.fixture
def gpt(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def test_thoughts_reach_the_client_of_responses(gpt: OpenAI, script: Script) -> None:
    script.thoughts = ["Let me", " see"]
    with gpt.responses.stream(model="tiny:1b", input="Hi") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds.count("response.reasoning_text.delta") == 2
    thoughts, message = final.output
    assert thoughts.type == "reasoning"
    assert thoughts.content is not None
    assert thoughts.content[0].text == "Let me see"
    assert (message.type, final.output_text) == ("message", "Hello")
    assert final.usage is not None
    assert final.usage.output_tokens_details.reasoning_tokens == 2


def test_thoughts_come_back_as_the_client_of_responses_sends_them(
    gpt: OpenAI, script: Script
) -> None:
    script.thoughts = ["Hm"]
    with gpt.responses.stream(model="tiny:1b", input="Hi") as stream:
        first = stream.get_final_response()
    again = gpt.responses.create(
        model="tiny:1b",
        input=[
            *(item.to_dict() for item in first.output),  # type: ignore[list-item]
            {"role": "user", "content": "Why?"},
        ],
    )
    assert again.output_text == "Hello"


def test_a_failed_response_reaches_the_client(gpt: OpenAI, script: Script) -> None:
    script.error = EngineFailure("A step failed.")
    with gpt.responses.stream(model="tiny:1b", input="Hi") as stream:
        *_, last = stream
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "A step failed."


def test_thoughts_reach_the_client_of_messages(claude: Anthropic, script: Script) -> None:
    script.thoughts = ["Let me", " see"]
    with claude.messages.stream(
        model="tiny:1b", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        final = stream.get_final_message()
    thoughts, text = final.content
    assert (thoughts.type, text.type) == ("thinking", "text")
    assert thoughts.type == "thinking"
    assert thoughts.thinking == "Let me see"
    again = claude.messages.create(
        model="tiny:1b",
        max_tokens=9,
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": final.content},
            {"role": "user", "content": "Why?"},
        ],
    )
    assert again.stop_reason == "end_turn"


def test_a_failure_mid_stream_raises_in_the_client_of_messages(
    claude: Anthropic, script: Script
) -> None:
    script.error = EngineFailure("A step failed.")
    with (
        pytest.raises(anthropic.APIStatusError, match="A step failed"),
        claude.messages.stream(
            model="tiny:1b", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
    ):
        stream.until_done()


def test_a_request_that_stops_short_raises_in_both(gpt: OpenAI, claude: Anthropic) -> None:
    with pytest.raises(openai.NotFoundError):
        gpt.responses.create(model="gpt-99", input="Hi")
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(
            model="claude-0", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
