"""Wherever JSON is cut, it is closed to what the schema allows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import llguidance
import numpy as np
import pytest

from service.constraints.compiler import ConstraintCompiler
from service.constraints.json_types import Json
from service.constraints.prepare import prepare_schema
from service.engine.bitmask import new_bits
from service.engine.constraint import Constraint, ConstraintError
from tests.unit.service.constraints.tokenizers import constraint_tokenizer, small_tokenizers

pytestmark = pytest.mark.anyio

ROW: Json = {
    "type": "object",
    "properties": {
        "v": {"type": "number", "exclusiveMinimum": 0.5, "maximum": 0.75},
        "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["v", "next"],
}
SCHEMAS: dict[str, Json] = {
    "any object": {"type": "object"},
    "recursive": ROW,
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 1000},
    "pattern that repeats itself": {"type": "string", "pattern": "^(ab)*cd+e$"},
    "date": {"type": "string", "format": "date-time"},
    "enum": {"enum": ["red", "green 🦊", [1, {"a": "}"}], None]},
    "least length": {"type": "array", "minItems": 9, "items": {"type": "string", "minLength": 9}},
    "many properties": {
        "type": "object",
        "properties": {f"p{index}": {"type": "boolean"} for index in range(40)},
        "required": [f"p{index}" for index in range(40)],
    },
}


def cut(constraint: Constraint, vocab_size: int, end: int, num_tokens: int, seed: int) -> list[int]:
    """The first tokens of an output drawn at random among those allowed."""
    rng, bits, token_ids = random.Random(seed), new_bits(vocab_size), list[int]()
    while not constraint.is_finished and len(token_ids) < num_tokens:
        assert constraint.fill(bits)
        allowed = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
        token_id = int(rng.choice(allowed))
        if token_id == end:
            break
        constraint.consume(token_id)
        token_ids.append(token_id)
    return token_ids


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece"])
@pytest.mark.parametrize("name", SCHEMAS)
async def test_whatever_was_cut_is_closed(name: str, kind: str, tmp_path: Path) -> None:
    tokenizer, end = small_tokenizers(tmp_path)[kind]
    compiler = ConstraintCompiler(lambda: constraint_tokenizer(tokenizer, end))
    form = prepare_schema(SCHEMAS[name], param="p")
    compiled = await compiler.compile(form.spec)
    assert form.check is not None
    for seed in range(30):
        state = compiled.begin()
        begun = cut(state, tokenizer.vocab_size, end, seed, seed)
        rest = state.completion()
        text = tokenizer.token_bytes.text_bytes([*begun, *rest]).decode()
        assert form.check(text) is None, text
    compiler.close()


async def test_what_would_be_too_long_is_an_error(tmp_path: Path) -> None:
    state = await _begun({"type": "string", "minLength": 10_000}, tmp_path)
    with pytest.raises(ConstraintError, match="2048"):
        state.completion()


async def test_nothing_of_calls_is_written_into_an_answer(tmp_path: Path) -> None:
    """However short its strings are, in which marks of calls have room but once."""
    schema: Json = {
        "type": "object",
        "properties": {"s": {"type": "string", "maxLength": 12}},
        "required": ["s"],
    }
    rest = (await _begun(schema, tmp_path)).completion()
    tokenizer, _ = small_tokenizers(_fresh(tmp_path))["byte-level"]
    assert json.loads(tokenizer.token_bytes.text_bytes(rest)) == {"s": ""}


async def test_a_closed_answer_goes_on_as_before(tmp_path: Path) -> None:
    """What closes it is found out on the side: the output itself may still get its tokens."""
    state = await _begun({"const": [1, 2]}, tmp_path)
    tokenizer, _ = small_tokenizers(_fresh(tmp_path))["byte-level"]
    rest = state.completion()
    assert json.loads(tokenizer.token_bytes.text_bytes(rest)) == [1, 2]
    for token_id in rest:
        state.consume(token_id)
    assert state.is_finished
    assert not state.completion()


async def _begun(schema: Json, folder: Path) -> Constraint:
    tokenizer, end = small_tokenizers(_fresh(folder))["byte-level"]
    make: Callable[[], llguidance.LLTokenizer] = lambda: constraint_tokenizer(tokenizer, end)  # noqa: E731
    compiler = ConstraintCompiler(make)
    compiled = await compiler.compile(prepare_schema(schema, param="p").spec)
    compiler.close()
    return compiled.begin()


def _fresh(folder: Path) -> Path:
    fresh = folder / str(len([*folder.iterdir()]))
    fresh.mkdir()
    return fresh
