"""A reply in one piece: the fold of the same deltas that a stream would carry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from litestar.types import Receive, Scope, Send

from service.api.awaited import AwaitedReply
from service.api.exchange import exchange_of
from service.api.facade import Generation, TextLogprobs
from service.api.streamed import first_of
from service.dialogue.answer import CallDelta, joined
from service.dialogue.tools.tool import ToolCall
from service.engine.request import FinishReason


@dataclass(frozen=True, slots=True)
class Answer:
    """What a generation gave: all its deltas together."""

    generation: Generation
    text: str
    reasoning: str
    calls: Sequence[ToolCall]
    logprobs: Sequence[TextLogprobs]
    finish_reason: FinishReason


MakeReply: TypeAlias = Callable[[Sequence[Answer]], msgspec.Struct]
"""From the answers, in the order of their generations, to the body."""


class WholeReply:
    """Waits for the generations' ends and writes them; aborts them once the client has gone.

    Errors of a generation pass to Litestar, which still can give them a status.
    """

    def __init__(self, generations: Sequence[Generation], make_reply: MakeReply) -> None:
        self._generations = generations
        self._make_reply = make_reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange_of(scope).generations = self._generations
        try:
            await AwaitedReply(self._body())(scope, receive, send)
        finally:
            for generation in self._generations:
                generation.abort()

    async def _body(self) -> bytes:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_fold(each)) for each in self._generations]
        except ExceptionGroup as error:
            raise first_of(error) from None
        return msgspec.json.encode(self._make_reply([task.result() for task in tasks]))


async def _fold(generation: Generation) -> Answer:
    texts, thoughts = [], []
    calls: list[CallDelta] = []
    logprobs: list[TextLogprobs] = []
    finish_reason: FinishReason | None = None
    async for delta in generation:
        texts.append(delta.text)
        thoughts.append(delta.reasoning)
        calls += delta.calls
        logprobs += delta.logprobs
        finish_reason = delta.finish_reason
    assert finish_reason is not None
    return Answer(
        generation, "".join(texts), "".join(thoughts), joined(calls), logprobs, finish_reason
    )


def is_whole(call: ToolCall) -> bool:
    """Only the last call of an answer that was cut is not, and half an object is no arguments."""
    try:
        msgspec.json.decode(call.arguments, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return True
