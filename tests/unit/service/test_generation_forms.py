"""Answers of a given form: their last check, and how a cut one is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import llguidance
import pytest

from service.constraints.matcher import CompiledConstraint
from service.constraints.thoughts import BehindThoughts
from service.constraints.tokens import build_tokenizer
from service.engine.constraint import Constraint
from service.engine.request import Request
from service.errors import CannotComplete, EngineFailure
from service.generation import Generation, TextDelta
from service.metrics import GenerationMetrics
from service.options import GenerationOptions, OutputForm
from service.text.token_bytes import read_token_bytes
from service.text.tokenizer_json import TokenizerJson
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.engine.streams import running_engine
from tests.unit.service.script_runner import ScriptRunner
from tests.unit.service.text.samples import byte_level, id_of

pytestmark = pytest.mark.anyio

BYTE_LEVEL = byte_level()
END = id_of(BYTE_LEVEL, "<|im_end|>")
VOCAB_SIZE = BYTE_LEVEL.get_vocab_size()
TOKEN_BYTES = read_token_bytes(TokenizerJson.parse(BYTE_LEVEL.to_str().encode()))
SCHEMA = '{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}'
TEXT = '{"a": "naïve 🦊'
THINKS = GenerationOptions(splits_reasoning=True, starts_in_reasoning=True)


def tokens(text: str) -> list[int]:
    token_ids: list[int] = BYTE_LEVEL.encode(text, add_special_tokens=False).ids
    return token_ids


def compiled(schema: str) -> CompiledConstraint:
    tokenizer = build_tokenizer(
        TOKEN_BYTES, tokens, vocab_size=VOCAB_SIZE, special_ids=(), eos_ids=(END,)
    )
    grammar = llguidance.LLMatcher.grammar_from_json_schema(
        schema, overrides={"whitespace_flexible": False, "key_separator": ": "}
    )
    return CompiledConstraint(llguidance.LLMatcher(tokenizer, grammar), tokenizer)


async def answered(
    script: Sequence[int],
    max_tokens: int,
    *,
    schema: str = SCHEMA,
    check: Callable[[str], str | None] = lambda _: None,
    completes: bool = True,
    options: GenerationOptions = GenerationOptions(),  # noqa: B008  frozen
    metrics: GenerationMetrics | None = None,
) -> tuple[Generation, list[TextDelta]]:
    held_to = compiled(schema)
    constraint: Constraint = held_to.begin()
    if options.starts_in_reasoning:
        constraint = BehindThoughts(constraint, TOKEN_BYTES.written, close="</think>")
    runner = ScriptRunner(script, end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        request = Request(
            engine.new_id(), [1, 2, 3], max_tokens, frozenset({END}), GREEDY, constraint=constraint
        )
        (stream,) = engine.submit([request])
        options = replace(options, form=OutputForm(held_to, check, completes))
        generation = Generation(engine, stream, TOKEN_BYTES, options, metrics)
        return generation, [delta async for delta in generation]


@pytest.mark.parametrize("max_tokens", range(1, len(tokens(TEXT)) + 1))
async def test_a_cut_answer_is_closed_and_says_that_it_was_cut(max_tokens: int) -> None:
    checked: list[str] = []
    generation, deltas = await answered(
        tokens(TEXT), max_tokens, check=lambda text: checked.append(text)
    )
    text = "".join(delta.text for delta in deltas)
    assert text.endswith('"}')
    assert checked == [text]
    assert deltas[-1].finish_reason == "length"
    assert generation.num_output_tokens == max_tokens


async def test_without_being_asked_it_stays_cut() -> None:
    _, deltas = await answered(tokens(TEXT), 4, completes=False)
    assert (
        "".join(delta.text for delta in deltas) == TOKEN_BYTES.text_bytes(tokens(TEXT)[:4]).decode()
    )


async def test_thoughts_that_were_cut_end_before_the_answer() -> None:
    _, deltas = await answered(tokens("I think so"), 3, options=THINKS)
    assert "".join(delta.reasoning for delta in deltas).startswith("I")
    assert "".join(delta.text for delta in deltas) == '{"a": ""}'


async def test_what_cannot_be_closed_is_an_error_that_names_the_field() -> None:
    schema = SCHEMA.replace('"string"', '"string", "minLength": 9999')
    with pytest.raises(CannotComplete) as raised:
        await answered(tokens(TEXT), 5, schema=schema)
    assert raised.value.param == "complete_on_length"


@pytest.mark.parametrize("max_tokens", [5, 100])
async def test_an_answer_that_fails_its_last_check_is_counted(max_tokens: int) -> None:
    metrics = GenerationMetrics()
    with pytest.raises(EngineFailure, match="wrong"):
        await answered(tokens('{"a": "b"}'), max_tokens, check=lambda _: "wrong", metrics=metrics)
    assert metrics.num_misformed == 1
    assert metrics.outcomes == {"error": 1}
