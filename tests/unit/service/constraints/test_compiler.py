from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import llguidance
import pytest

from service.constraints.compiler import ConstraintCompiler
from service.constraints.guard_texts import MAX_CHOICES
from service.constraints.json_types import Json
from service.constraints.prepare import prepare_choices, prepare_grammar, prepare_schema
from service.constraints.spec import ANY_WHITESPACE, OutputKind, OutputSpec
from service.constraints.thoughts import BehindThoughts
from service.engine.bitmask import new_bits
from service.engine.constraint import Constraint, ConstraintError
from service.errors import Overloaded, PackageCorrupt, UnsupportedSchema
from service.store.packages import Package
from service.text.tokenizer import Tokenizer
from tests.unit.service.constraints.tokenizers import (
    constraint_tokenizer,
    saved,
    small_tokenizers,
    walk,
)
from tests.unit.service.text.samples import byte_level, id_of

pytestmark = pytest.mark.anyio

FRIENDS: Json = {
    "type": "object",
    "properties": {
        "friends": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 8},
                    "age": {"type": "integer", "minimum": 0, "maximum": 150},
                    "nice": {"type": ["boolean", "null"]},
                },
                "required": ["name", "age", "nice"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["friends"],
    "additionalProperties": False,
}


def schema_spec(schema: object, whitespace: str | None = None) -> OutputSpec:
    return OutputSpec(OutputKind.JSON_SCHEMA, json.dumps(schema), "response_format", whitespace)


def _consume_all(constraint: Constraint, token_ids: Sequence[int]) -> None:
    for token_id in token_ids:
        constraint.consume(token_id)


@pytest.fixture
def small(tmp_path: Path) -> Tokenizer:
    return saved(byte_level(), tmp_path)


@pytest.fixture
async def compiler(small: Tokenizer) -> AsyncIterator[ConstraintCompiler]:
    end = id_of(byte_level(), "<|im_end|>")
    compiler = ConstraintCompiler(lambda: constraint_tokenizer(small, end))
    yield compiler
    compiler.close()


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece", "sentencepiece, first only"])
async def test_every_finished_walk_is_what_was_asked_for(kind: str, tmp_path: Path) -> None:
    tokenizer, end = small_tokenizers(tmp_path)[kind]
    compiler = ConstraintCompiler(lambda: constraint_tokenizer(tokenizer, end))
    compiled = await compiler.compile(schema_spec(FRIENDS))
    num_finished = 0
    for seed in range(60):
        token_ids = walk(compiled.begin(), tokenizer.vocab_size, end, seed)
        if token_ids is None:
            continue
        num_finished += 1
        value = json.loads(tokenizer.token_bytes.text_bytes(token_ids).decode())
        assert set(value) == {"friends"}
        for friend in value["friends"]:
            assert [*friend] == ["name", "age", "nice"]
            assert len(friend["name"]) <= 8
            assert 0 <= friend["age"] <= 150
            assert friend["nice"] in (True, False, None)
    assert num_finished > 30
    compiler.close()


async def test_walks_through_a_converted_tokenizer_are_what_was_asked_for(
    smollm2_package: Package,
) -> None:
    """Its file came from a GGUF, and is of the shape that llguidance's own reader takes wrongly."""
    tokenizer = Tokenizer(smollm2_package.folder / "tokenizer.json")
    (end,) = tokenizer.encode("<|im_end|>", add_bos=False)
    compiler = ConstraintCompiler(lambda: constraint_tokenizer(tokenizer, end))
    form = prepare_schema(FRIENDS, param="p")
    compiled = await compiler.compile(form.spec)
    assert form.check is not None
    num_finished = 0
    for seed in range(20):
        token_ids = walk(compiled.begin(), tokenizer.vocab_size, end, seed)
        if token_ids is not None:
            num_finished += 1
            text = tokenizer.token_bytes.text_bytes(token_ids).decode()
            assert form.check(text) is None, text
    assert num_finished > 10
    compiler.close()


async def test_json_is_on_one_line_unless_it_may_have_white_space(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    spread = '{"friends":\n  []}'
    for allows, fits in ((False, False), (True, True)):
        compiled = await compiler.compile(
            schema_spec(FRIENDS, whitespace=ANY_WHITESPACE if allows else None)
        )
        state = compiled.begin()
        try:
            for token_id in small.encode_plain(spread):
                state.consume(token_id)
        except ConstraintError:
            assert not fits
        else:
            assert fits
            assert state.is_finished


@pytest.mark.parametrize(
    ("kind", "source", "pattern"),
    [
        (OutputKind.REGEX, r"[0-9]{3}-[a-f]+", r"[0-9]{3}-[a-f]+"),
        (OutputKind.GRAMMAR, 'start: "yes" | "no"', "yes|no"),
    ],
)
async def test_expressions_and_grammars(
    compiler: ConstraintCompiler, small: Tokenizer, kind: OutputKind, source: str, pattern: str
) -> None:
    compiled = await compiler.compile(OutputSpec(kind, source, "structured_outputs"))
    end = id_of(byte_level(), "<|im_end|>")
    texts = set()
    for seed in range(20):
        token_ids = walk(compiled.begin(), small.vocab_size, end, seed)
        if token_ids is not None:
            texts.add(small.token_bytes.text_bytes(token_ids).decode())
    assert texts
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert len(texts) > 1


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (OutputKind.JSON_SCHEMA, '{"not": {}}'),
        (OutputKind.JSON_SCHEMA, '{"type": "integer", "minimum": 3, "maximum": 2}'),
        (OutputKind.JSON_SCHEMA, '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}'),
        (OutputKind.REGEX, "(?=a)b"),
        (OutputKind.REGEX, "("),
        (OutputKind.REGEX, "a*"),
        (OutputKind.GRAMMAR, "start: nowhere"),
        (OutputKind.GRAMMAR, "%%%"),
    ],
)
async def test_what_cannot_be_enforced_is_refused(
    compiler: ConstraintCompiler, kind: OutputKind, source: str
) -> None:
    with pytest.raises(UnsupportedSchema) as raised:
        await compiler.compile(OutputSpec(kind, source, "the.field"))
    assert (raised.value.param, raised.value.code) == ("the.field", "unsupported_schema")


@pytest.mark.parametrize(
    "named", ["<|im_end|>", "<[{}]>", "<[0-{}]>", "<[7,{}]>", "<[*]>", "<[^999999]>"]
)
async def test_a_grammar_that_names_the_end_is_refused(
    compiler: ConstraintCompiler, named: str
) -> None:
    """The answer would end there, with the rest of the grammar to come."""
    token = named.format(id_of(byte_level(), "<|im_end|>"))
    form = prepare_grammar(f'start: "a" {token} "b"', param="the.field")
    with pytest.raises(UnsupportedSchema, match=re.escape(token)) as raised:
        await compiler.compile(form.spec)
    assert raised.value.param == "the.field"


async def test_other_tokens_may_be_named(compiler: ConstraintCompiler) -> None:
    end = id_of(byte_level(), "<|im_end|>")
    for named in ('"<|im_end|>"', f"<[^{end}]>", f"<[{end + 1}]>"):
        await compiler.compile(prepare_grammar(f'start: "a" {named} "b"', param="p").spec)


async def test_a_grammar_that_was_made_for_a_request_is_not_shown(
    compiler: ConstraintCompiler,
) -> None:
    """But one that came in it is."""
    source = "start: made nowhere\nmade: /a+/"
    with pytest.raises(UnsupportedSchema) as made:
        await compiler.compile(OutputSpec(OutputKind.GRAMMAR, source, "tools"))
    assert made.value.message == 'It cannot be enforced: unknown name: "nowhere"'
    with pytest.raises(UnsupportedSchema, match="start: made"):
        await compiler.compile(prepare_grammar(source, param="p").spec)


async def test_choices_may_have_any_character(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    choices = ["\x7fz", "\x01", '"\\', "é\n\u2028"]
    compiled = await compiler.compile(prepare_choices(choices, param="p").spec)
    for choice in choices:
        state = compiled.begin()
        _consume_all(state, small.encode_plain(choice))
        assert state.is_finished


async def test_as_many_choices_as_may_be_are_compiled(compiler: ConstraintCompiler) -> None:
    choices = [f"{index}." for index in range(MAX_CHOICES)]
    state = (await compiler.compile(prepare_choices(choices, param="p").spec)).begin()
    assert state.fill(new_bits(byte_level().get_vocab_size()))


async def test_a_named_key_cannot_be_spelled_otherwise(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True}
    state = (await compiler.compile(schema_spec(schema))).begin()
    with pytest.raises(ConstraintError):
        _consume_all(state, small.encode_plain('{"\\u0061": 1}'))


async def test_the_same_is_compiled_once(compiler: ConstraintCompiler) -> None:
    first = await compiler.compile(schema_spec(FRIENDS))
    assert await compiler.compile(schema_spec(FRIENDS)) is first
    assert await compiler.compile(schema_spec(FRIENDS, whitespace=ANY_WHITESPACE)) is not first


async def test_what_was_used_last_is_kept_while_there_is_room(small: Tokenizer) -> None:
    """Of sources as long as those of many tools there are fewer."""
    end = id_of(byte_level(), "<|im_end|>")
    specs = [schema_spec({"const": f"{index}" * 100}) for index in range(3)]
    compiler = ConstraintCompiler(
        lambda: constraint_tokenizer(small, end), max_cached_chars=2 * len(specs[0].source)
    )
    first, second, _ = [await compiler.compile(spec) for spec in specs]
    assert await compiler.compile(specs[1]) is second
    assert await compiler.compile(specs[0]) is not first
    longer = schema_spec({"const": "x" * 1000})
    assert await compiler.compile(longer) is not await compiler.compile(longer)
    compiler.close()


async def test_outputs_do_not_share_their_state(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    compiled = await compiler.compile(OutputSpec(OutputKind.REGEX, "ab+c", "x"))
    one, other = compiled.begin(), compiled.begin()
    for token_id in small.encode_plain("abbc"):
        one.consume(token_id)
    assert one.is_finished
    assert not other.is_finished
    other.consume(small.encode_plain("a")[0])


async def test_a_token_that_may_not_come_is_an_error(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    state = (await compiler.compile(OutputSpec(OutputKind.REGEX, "ab+c", "x"))).begin()
    with pytest.raises(ConstraintError):
        state.consume(small.encode_plain("z")[0])
    with pytest.raises(ConstraintError):
        state.fill(new_bits(small.vocab_size))
    assert not state.is_finished


async def test_special_tokens_are_never_allowed_but_the_end(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    state = (await compiler.compile(OutputSpec(OutputKind.REGEX, "(.|\\n)+", "x"))).begin()
    bits = new_bits(small.vocab_size)
    state.fill(bits)
    (end,) = small.encode("<|im_end|>", add_bos=False)
    allowed = {i for i in small.control_ids if bits[i // 32] >> (i % 32) & 1}
    assert not allowed
    state.consume(small.encode_plain("z")[0])
    state.fill(bits)
    assert {i for i in small.control_ids if bits[i // 32] >> (i % 32) & 1} == {end}


async def test_thoughts_are_free_until_they_end(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    inner = (await compiler.compile(OutputSpec(OutputKind.REGEX, "[0-9]{2}", "x"))).begin()
    state = BehindThoughts(inner, small.token_bytes.written, close="</think>")
    bits = new_bits(small.vocab_size)
    for token_id in small.encode_plain("hm </thin k></think>"):
        assert not state.fill(bits)
        state.consume(token_id)
    assert state.fill(bits)
    for token_id in small.encode_plain("42"):
        state.consume(token_id)
    assert state.is_finished


async def test_thoughts_may_come_first_if_their_token_does(
    compiler: ConstraintCompiler, small: Tokenizer
) -> None:
    compiled = await compiler.compile(OutputSpec(OutputKind.REGEX, "[0-9]{2}", "x"))
    (opening, digit) = (small.encode_plain("q")[0], small.encode_plain("4")[0])
    written = small.token_bytes.written
    bits = new_bits(small.vocab_size)
    for thinks in (True, False):
        state = BehindThoughts(compiled.begin(), written, close="</think>", opening_id=opening)
        assert state.forced() == ()
        assert state.fill(bits)
        assert all(bits[i // 32] >> (i % 32) & 1 for i in (opening, digit))
        if thinks:
            state.consume(opening)
            for token_id in small.encode_plain("42</think>"):
                assert not state.fill(bits)
                state.consume(token_id)
        state.consume(digit)
        state.fill(bits)
        assert not bits[opening // 32] >> (opening % 32) & 1
        state.consume(digit)
        assert state.is_finished


async def test_many_may_compile_at_once_and_no_more(small: Tokenizer) -> None:
    ready, started = threading.Event(), threading.Event()
    end = id_of(byte_level(), "<|im_end|>")

    def slow() -> llguidance.LLTokenizer:
        started.set()
        assert ready.wait(10)
        return constraint_tokenizer(small, end)

    compiler = ConstraintCompiler(slow)
    specs = [schema_spec({"const": index}) for index in range(64)]
    waiting = [asyncio.create_task(compiler.compile(spec)) for spec in specs]
    await asyncio.to_thread(started.wait, 10)
    with pytest.raises(Overloaded):
        await compiler.compile(schema_spec({"const": "one more"}))
    ready.set()
    assert len(await asyncio.gather(*waiting)) == 64
    compiler.close()


async def test_the_loop_is_free_meanwhile(compiler: ConstraintCompiler) -> None:
    await compiler.compile(schema_spec({"const": 1}))
    large = {"enum": [f"value {index}" for index in range(4000)]}
    task = asyncio.create_task(compiler.compile(schema_spec(large)))
    num_turns = 0
    while not task.done():
        await asyncio.sleep(0.001)
        num_turns += 1
    await task
    assert num_turns > 2


async def test_a_model_whose_bytes_are_unknown_says_so() -> None:
    def broken() -> llguidance.LLTokenizer:
        raise PackageCorrupt("The bytes cannot be told.")

    compiler = ConstraintCompiler(broken)
    for _ in range(2):
        with pytest.raises(PackageCorrupt):
            await compiler.compile(schema_spec({"const": 1}))
    compiler.close()
