"""What is counted beforehand is what an answer is charged for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from openai import OpenAI

MODEL = "smollm2:135m"
CHATS: list[list[Any]] = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Ünïcode 🎈?"}],
    [{"role": "developer", "content": "x"}, {"role": "user", "content": "<|im_end|> is text"}],
    [
        {
            "role": "user",
            "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "!"}],
        },
        {"role": "assistant", "content": "parts"},
        {"role": "user", "content": "again " * 50},
    ],
]


def post(client: OpenAI, path: str, content: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    url = f"{str(client.base_url).rstrip('/')}{path}"
    reply = httpx.post(url, json={"model": MODEL, **content}, timeout=60)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize("messages", CHATS)
def test_a_chat_is_counted_as_in_its_usage(client: OpenAI, messages: list[Any]) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=1)
    assert answer.usage is not None
    counted = post(client, "/chat/completions/input_tokens", {"messages": messages})
    tokens = post(client, "/tokenize", {"messages": messages})
    assert counted["input_tokens"] == answer.usage.prompt_tokens == tokens["count"]


def test_a_continued_chat_is_counted_as_in_its_usage(client: OpenAI) -> None:
    messages = [*CHATS[0], {"role": "assistant", "content": "Hello, I am"}]
    extra = {"continue_final_message": True}
    answer = client.chat.completions.create(
        model=MODEL, messages=messages, max_tokens=1, extra_body=extra
    )
    assert answer.usage is not None
    counted = post(client, "/chat/completions/input_tokens", {"messages": messages, **extra})
    tokens = post(client, "/tokenize", {"messages": messages, **extra})
    assert counted["input_tokens"] == answer.usage.prompt_tokens == tokens["count"]


@pytest.mark.parametrize("prompt", ["Once upon a time", " Ünïcode 🎈\n\n", "<|im_start|>user"])
def test_a_prompt_is_counted_as_in_its_usage_and_comes_back(client: OpenAI, prompt: str) -> None:
    answer = client.completions.create(model=MODEL, prompt=prompt, max_tokens=1)
    assert answer.usage is not None
    told = post(client, "/tokenize", {"prompt": prompt, "return_token_strs": True})
    assert told["count"] == len(told["tokens"]) == answer.usage.prompt_tokens
    assert len(told["token_strs"]) == told["count"]
    assert told["max_model_len"] == 512
    assert post(client, "/detokenize", {"tokens": told["tokens"]}) == {"prompt": prompt}


def test_the_rendered_chat_can_be_read(client: OpenAI) -> None:
    begun = post(client, "/tokenize", {"messages": CHATS[0]})["tokens"]
    not_begun = {"messages": CHATS[0], "add_generation_prompt": False}
    ended = post(client, "/tokenize", not_begun)["tokens"]
    assert begun[: len(ended)] == ended
    rest = post(client, "/detokenize", {"tokens": begun[len(ended) :]})["prompt"]
    assert rest == "<|im_start|>assistant\n"
