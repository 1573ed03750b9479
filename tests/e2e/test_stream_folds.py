"""A stream, put together, is the whole answer to the same request, whatever was asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from openai import OpenAI

MODEL = "smollm2:135m"
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
CHARACTERS = "Say 🎈🎈 and 你好 ten times: 🎈🎈, 你好,"


@dataclass
class Folded:
    """One choice; its logprobs as the tokens and their values."""

    text: str = ""
    tokens: list[str] = field(default_factory=list)
    logprobs: list[float | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: str | int | None = None

    def add_chat(self, choice: Any, text: str | None) -> None:  # noqa: ANN401  of two classes
        items = (choice.logprobs.content or []) if choice.logprobs else []
        self._add(choice, text or "")
        self.tokens += [item.token for item in items]
        self.logprobs += [item.logprob for item in items]

    def add_completion(self, choice: Any) -> None:  # noqa: ANN401  whole or chunk
        self._add(choice, choice.text)
        if choice.logprobs:
            self.tokens += choice.logprobs.tokens
            self.logprobs += choice.logprobs.token_logprobs
            self.offsets += choice.logprobs.text_offset

    def _add(self, choice: Any, text: str) -> None:  # noqa: ANN401  of several classes
        assert self.finish_reason is None, "nothing comes behind the end of a choice"
        self.text += text
        self.finish_reason = choice.finish_reason
        self.stop_reason = (choice.model_extra or {}).get("stop_reason", self.stop_reason)


def assert_same(streamed: dict[int, Folded], whole: dict[int, Folded]) -> None:
    assert {*streamed} == {*whole}
    for index, one in streamed.items():
        other = whole[index]
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
        one.logprobs = other.logprobs
        assert one == other


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": 0},
        {"n": 5, "temperature": 1.8, "logprobs": True, "top_logprobs": 2},
        {"n": 2, "stop": ["e", " of the"], "logprobs": True, "temperature": 1.2},
        {"stop": ["\n", ","], "min_tokens": 6, "frequency_penalty": 1.5},
        {"ignore_eos": True, "repetition_penalty": 1.3, "temperature": 0, "logprobs": True},
        {"stop_token_ids": [28, 30], "logit_bias": {"28": 5}, "min_tokens": 3, "logprobs": True},
    ],
)
def test_a_chat(client: OpenAI, given: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": CHARACTERS}]
    ask = {"messages": messages, "seed": 6, "max_tokens": 16, **given}
    whole: dict[int, Folded] = defaultdict(Folded)
    reply = create(client, "chat", ask)
    for choice in reply.choices:
        whole[choice.index].add_chat(choice, choice.message.content)
    streamed: dict[int, Folded] = defaultdict(Folded)
    chunks = [*create(client, "chat", {**ask, **USAGE})]
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index].add_chat(choice, choice.delta.content)
    assert_same(streamed, whole)
    assert chunks[-1].usage.completion_tokens == reply.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens == reply.usage.prompt_tokens


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": 0, "logprobs": 1},
        {"n": 3, "temperature": 1.8, "logprobs": 2, "echo": True},
        {"prompt": [CHARACTERS, "The fox", " of"], "n": 2, "echo": True, "logprobs": 0},
        {"prompt": [[28, 30, 260], [198]], "echo": True, "max_tokens": 0, "logprobs": 1},
        {"stop": ["🎈", " ten"], "temperature": 1, "echo": True, "logprobs": 0},
        {"stop_token_ids": [28], "min_p": 0.05, "top_k": 20, "n": 2},
    ],
)
def test_a_completion(client: OpenAI, given: dict[str, Any]) -> None:
    ask = {"prompt": CHARACTERS, "seed": 8, "max_tokens": 16, **given}
    whole: dict[int, Folded] = defaultdict(Folded)
    reply = create(client, "completions", ask)
    for choice in reply.choices:
        whole[choice.index].add_completion(choice)
    streamed: dict[int, Folded] = defaultdict(Folded)
    chunks = [*create(client, "completions", {**ask, **USAGE})]
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index].add_completion(choice)
    assert_same(streamed, whole)
    assert chunks[-1].usage.completion_tokens == reply.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens == reply.usage.prompt_tokens


def create(client: OpenAI, kind: str, ask: dict[str, Any]) -> Any:  # noqa: ANN401  one or many
    """Fields that the client does not know go into the body as they are."""
    extensions = ("min_tokens", "ignore_eos", "repetition_penalty", "stop_token_ids")
    extra = {name: ask[name] for name in (*extensions, "top_k", "min_p") if name in ask}
    known = {name: value for name, value in ask.items() if name not in extra}
    endpoint: Any = client.chat.completions if kind == "chat" else client.completions
    return endpoint.create(model=MODEL, **known, extra_body=extra)
