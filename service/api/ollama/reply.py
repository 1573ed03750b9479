"""An answer to /api/generate or /api/chat, whole or as lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import UNSET

from service.api import whole
from service.api.facade import Delta, Generation, TextLogprobs
from service.api.ollama.answers import (
    Answer,
    ChatAnswer,
    DoneReason,
    GenerateAnswer,
    MadeFunction,
    MadeMessage,
    MadeToolCall,
)
from service.api.ollama.lines import failure_line, line
from service.api.openai.common_schema import RelaxedKeywords
from service.api.openai.logprobs import TokenBytes, chat_logprobs
from service.dialogue.answer import CallDelta, joined
from service.dialogue.tools.tool import ToolCall
from service.engine.request import FinishReason
from service.errors import RetortError

_NS = 10**9

AnswerT = TypeVar("AnswerT", bound=Answer)


class Watch:
    """How long a request has taken, in nanoseconds: all of it, and until its model was there."""

    def __init__(self) -> None:
        self._started_ns = time.monotonic_ns()
        self.load_ns = 0

    def loaded(self) -> None:
        self.load_ns = self.total_ns

    @property
    def total_ns(self) -> int:
        return time.monotonic_ns() - self._started_ns


@dataclass(frozen=True, slots=True)
class Part:
    """What comes in one line."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[MadeToolCall] = ()


MakeAnswer: TypeAlias = Callable[[str, Part], Answer]
"""From the model's name and a part to the answer of an endpoint."""


def generate_answer(model: str, part: Part) -> Answer:
    thinking = part.thinking or UNSET
    return GenerateAnswer(
        model=model, created_at=datetime.now(UTC), response=part.text, thinking=thinking
    )


def chat_answer(model: str, part: Part) -> Answer:
    message = MadeMessage(
        content=part.text,
        thinking=part.thinking or UNSET,
        tool_calls=list(part.calls) if part.calls else UNSET,
    )
    return ChatAnswer(model=model, created_at=datetime.now(UTC), message=message)


def without_text(answer: Answer, reason: DoneReason) -> Answer:
    """What is answered where the model was only to be loaded or unloaded."""
    return msgspec.structs.replace(answer, done=True, done_reason=reason)


@dataclass(frozen=True, slots=True)
class Head:
    """What stays the same from line to line; `token_bytes` is None where no logprobs were asked
    for."""

    model: str
    make: MakeAnswer
    watch: Watch
    token_bytes: TokenBytes | None
    relaxed_keywords: RelaxedKeywords = UNSET

    def answer(self, part: Part, logprobs: Sequence[TextLogprobs] = ()) -> Answer:
        answer = self.make(self.model, part)
        if self.token_bytes is None or not logprobs:
            return answer
        told = chat_logprobs(logprobs, self.token_bytes).content
        return msgspec.structs.replace(answer, logprobs=told)

    def ended(self, answer: Answer, generation: Generation, reason: FinishReason) -> Answer:
        return msgspec.structs.replace(
            answer,
            done=True,
            done_reason=reason,
            total_duration=self.watch.total_ns,
            load_duration=self.watch.load_ns,
            prompt_eval_count=generation.num_prompt_tokens,
            prompt_eval_duration=round(generation.prefill_s * _NS),
            eval_count=generation.num_output_tokens,
            eval_duration=round(generation.decode_s * _NS),
            relaxed_keywords=self.relaxed_keywords,
        )


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """The whole answer."""

    head: Head

    def make(self, answers: Sequence[whole.Answer]) -> Answer:
        (given,) = answers
        part = Part(given.text, given.reasoning, made_calls(given.calls))
        answer = self.head.answer(part, given.logprobs)
        return self.head.ended(answer, given.generation, given.finish_reason)


@dataclass(slots=True)
class AnswerLines:
    """The same as lines; an EventWriter. A call comes in one line, once it is whole."""

    head: Head
    generation: Generation
    _calls: list[CallDelta] = field(default_factory=list, init=False)
    _num_told: int = field(default=0, init=False)
    _finish_reason: FinishReason | None = field(default=None, init=False)

    def opening(self) -> bytes:
        return b""

    def delta(self, _index: int, delta: Delta) -> bytes:
        lines = b""
        if delta.reasoning:
            lines += line(self.head.answer(Part(thinking=delta.reasoning)))
        if delta.text or (delta.logprobs and self.head.token_bytes is not None):
            lines += line(self.head.answer(Part(delta.text), delta.logprobs))
        self._calls += delta.calls
        self._finish_reason = delta.finish_reason
        return lines + self._new_calls()

    def closing(self) -> bytes:
        assert self._finish_reason is not None
        answer = self.head.answer(Part())
        return line(self.head.ended(answer, self.generation, self._finish_reason))

    def failure(self, error: RetortError) -> bytes:
        return failure_line(error)

    def _new_calls(self) -> bytes:
        """Those that another one follows, or the end."""
        if not self._calls:
            return b""
        calls = joined(self._calls)
        is_over = self._finish_reason is not None
        told = made_calls(calls if is_over else calls[:-1])[self._num_told :]
        self._num_told += len(told)
        return b"".join(line(self.head.answer(Part(calls=[call]))) for call in told)


def made_calls(calls: Sequence[ToolCall]) -> list[MadeToolCall]:
    """Without a last one that was cut."""
    return [
        MadeToolCall(call.id, MadeFunction(index, call.name, msgspec.Raw(call.arguments.encode())))
        for index, call in enumerate(calls)
        if whole.is_whole(call)
    ]
