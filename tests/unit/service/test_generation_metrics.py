"""What a generation tells the metrics of its model once it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.engine.request import Request
from service.errors import EngineFailure, ShuttingDown
from service.generation import Generation
from service.metrics import GenerationMetrics
from service.options import GenerationOptions
from service.text.token_bytes import read_token_bytes
from service.text.tokenizer_json import TokenizerJson
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.engine.streams import running_engine
from tests.unit.service.script_runner import ScriptRunner
from tests.unit.service.text.samples import byte_level, id_of

pytestmark = pytest.mark.anyio

BYTE_LEVEL = byte_level()
END = id_of(BYTE_LEVEL, "<|im_end|>")
TOKEN_BYTES = read_token_bytes(TokenizerJson.parse(BYTE_LEVEL.to_str().encode()))
HELLO: list[int] = BYTE_LEVEL.encode("hello world", add_special_tokens=False).ids


@asynccontextmanager
async def generating(
    metrics: GenerationMetrics, *, stop: str | None = None, max_tokens: int = 100
) -> AsyncIterator[Generation]:
    runner = ScriptRunner([*HELLO, END], end=END, vocab_size=BYTE_LEVEL.get_vocab_size())
    async with running_engine(runner) as engine:
        request = Request(engine.new_id(), [1, 2, 3], max_tokens, frozenset({END}), GREEDY)
        (stream,) = engine.submit([request])
        options = GenerationOptions(stop=(stop,) if stop else ())
        yield Generation(engine, stream, TOKEN_BYTES, options, metrics)


async def test_an_answer_read_to_its_end_is_counted_once() -> None:
    metrics = GenerationMetrics()
    async with generating(metrics) as generation:
        assert not metrics.outcomes
        async for _ in generation:
            pass
        generation.abort()
    assert metrics.outcomes == {"stop": 1}
    assert metrics.num_prompt_tokens == 3
    assert metrics.num_output_tokens == len(HELLO) + 1


async def test_an_answer_cut_off_is_told_from_one_that_ended() -> None:
    metrics = GenerationMetrics()
    async with generating(metrics, max_tokens=1) as generation:
        async for _ in generation:
            pass
    async with generating(metrics, stop="world") as generation:
        async for _ in generation:
            pass
    assert metrics.outcomes == {"length": 1, "stop": 1}


async def test_an_answer_nobody_reads_on_is_cancelled_once() -> None:
    metrics = GenerationMetrics()
    async with generating(metrics) as generation:
        generation.abort()
        generation.abort()
    assert metrics.outcomes == {"cancelled": 1}
    assert metrics.num_prompt_tokens == 0


async def test_an_answer_that_fails_is_an_error() -> None:
    metrics = GenerationMetrics()
    async with generating(metrics) as generation:
        generation._stream.fail(EngineFailure("the step failed"))
        with pytest.raises(EngineFailure):
            async for _ in generation:
                pass
        generation.abort()
    assert metrics.outcomes == {"error": 1}


async def test_an_answer_that_a_shutdown_ends_is_an_error() -> None:
    metrics = GenerationMetrics()
    async with generating(metrics) as generation:
        await generation._engine.close()
        with pytest.raises(ShuttingDown):
            async for _ in generation:
                pass
    assert metrics.outcomes == {"error": 1}
