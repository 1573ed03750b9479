"""Whole answers of models that mark every part: what of them is free, and what is held to."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from service.constraints.calls import prepare_calls, prepare_tool
from service.constraints.compiler import ConstraintCompiler
from service.constraints.frames import AnswerFrame
from service.constraints.spec import OutputKind, OutputSpec
from service.constraints.tokens import build_tokenizer
from service.dialogue.styles.harmony import HARMONY_STYLE
from service.dialogue.styles.start import Start
from service.dialogue.tools.harmony import HARMONY
from service.dialogue.tools.tool import ToolUse
from service.engine.bitmask import new_bits
from service.engine.constraint import CompiledConstraint
from service.errors import RequestError
from service.text.tokenizer import Tokenizer
from tests.unit.service.constraints.tokenizers import constraint_tokenizer, saved
from tests.unit.service.dialogue.styles.harmony import CONTROL_TOKENS
from tests.unit.service.dialogue.tools.formats import TOOLS
from tests.unit.service.text.samples import byte_level

pytestmark = pytest.mark.anyio

THOUGHTS = "<|channel|>analysis<|message|>Hm, {.<|end|><|start|>assistant"
PREAMBLE = "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant"
FINAL = "<|channel|>final<|message|>"
PING = "<|channel|>commentary to=functions.ping <|constrain|>json<|message|>{}"
ROLE_PING = " to=functions.ping<|channel|>commentary json<|message|>{}"
JSON = OutputSpec(
    OutputKind.JSON_SCHEMA,
    '{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}',
    "response_format",
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return saved(byte_level(CONTROL_TOKENS), tmp_path_factory.mktemp("harmony"))


@pytest.fixture
def compiler(tokenizer: Tokenizer) -> Iterator[ConstraintCompiler]:
    end = tokenizer.control_tokens["<|return|>"]
    compiler = ConstraintCompiler(lambda: constraint_tokenizer(tokenizer, end))
    yield compiler
    compiler.close()


def allows(compiled: CompiledConstraint, tokenizer: Tokenizer, text: str) -> bool:
    """Whether the masks let a model write `text`, whose control tokens are such, and end there."""
    state, bits = compiled.begin(), new_bits(tokenizer.vocab_size)
    for token_id in [
        *tokenizer.encode(text, add_bos=False),
        tokenizer.control_tokens["<|return|>"],
    ]:
        if state.is_finished:
            return token_id == tokenizer.control_tokens["<|return|>"]
        if state.fill(bits) and not bits[token_id // 32] >> (token_id % 32) & 1:
            return False
        state.consume(token_id)
    return True


def calls_spec(
    tokenizer: Tokenizer,
    *,
    must: bool = False,
    content: OutputSpec | None = None,
    start: Start = Start.ANSWER,
    names: tuple[str, ...] = ("get_weather", "ping"),
) -> OutputSpec:
    tools = tuple(prepare_tool(tool, param="tools").tool for tool in TOOLS)
    frame = AnswerFrame(HARMONY_STYLE.frame, start)
    use = ToolUse(tools, frozenset(names), must)
    return prepare_calls(use, HARMONY, tokenizer.control_tokens, content=content, frame=frame).spec


async def test_an_answer_may_call_or_say_something(
    compiler: ConstraintCompiler, tokenizer: Tokenizer
) -> None:
    free = await compiler.compile(calls_spec(tokenizer))
    forced = await compiler.compile(calls_spec(tokenizer, must=True))
    for before in ("", THOUGHTS, THOUGHTS * 2, PREAMBLE, THOUGHTS + PREAMBLE):
        for call in (PING, ROLE_PING):
            assert allows(free, tokenizer, before + call)
            assert allows(forced, tokenizer, before + call)
    assert allows(free, tokenizer, f"{THOUGHTS}{FINAL}Words.")
    for text in (f"{THOUGHTS}{FINAL}Words.", "Words.", THOUGHTS, ""):
        assert not allows(forced, tokenizer, text)
    for text in ("Words.", "<|channel|>final", f"{FINAL}a<|end|>", f"{PREAMBLE}"):
        assert not allows(free, tokenizer, text)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_weather", {}),
        ("get_weather", {"city": 5}),
        ("get_weather", {"city": "a", "other": 1}),
        ("open-ended", {}),
        ("unknown", {}),
    ],
)
async def test_calls_that_are_not_valid_are_not_allowed(
    compiler: ConstraintCompiler, tokenizer: Tokenizer, name: str, arguments: dict[str, object]
) -> None:
    free = await compiler.compile(calls_spec(tokenizer))
    head = f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>"
    assert not allows(free, tokenizer, head + json.dumps(arguments))


async def test_text_is_held_to_json_behind_free_thoughts(
    compiler: ConstraintCompiler, tokenizer: Tokenizer
) -> None:
    behind = AnswerFrame(HARMONY_STYLE.frame).before_text(tokenizer.control_tokens)
    alone = await compiler.compile(OutputSpec(JSON.kind, JSON.source, JSON.param, behind=behind))
    beside = await compiler.compile(calls_spec(tokenizer, content=JSON))
    for compiled in (alone, beside):
        assert allows(compiled, tokenizer, f'{THOUGHTS}{FINAL}{{"x": 5}}')
        assert allows(compiled, tokenizer, f'{FINAL}{{"x": 5}}')
        assert not allows(compiled, tokenizer, f'{THOUGHTS}{FINAL}{{"x": "a"}}')
        assert not allows(compiled, tokenizer, '{"x": 5}')
    assert allows(beside, tokenizer, THOUGHTS + PING)
    assert not allows(alone, tokenizer, THOUGHTS + PING)


async def test_the_prompt_may_have_begun_thoughts_or_text(
    compiler: ConstraintCompiler, tokenizer: Tokenizer
) -> None:
    inside = await compiler.compile(calls_spec(tokenizer, start=Start.THOUGHTS))
    assert allows(inside, tokenizer, f"so<|end|><|start|>assistant{PING}")
    assert not allows(inside, tokenizer, PING)
    text = await compiler.compile(calls_spec(tokenizer, start=Start.TEXT))
    assert allows(text, tokenizer, "and so on")
    assert not allows(text, tokenizer, PING)
    assert AnswerFrame(HARMONY_STYLE.frame, Start.TEXT).before_text({}) is None
    with pytest.raises(RequestError) as refused:
        calls_spec(tokenizer, must=True, start=Start.TEXT)
    assert refused.value.param == "continue_final_message"


async def test_each_token_that_ends_answers_may_end_a_text(tokenizer: Tokenizer) -> None:
    ends = [tokenizer.control_tokens[token] for token in ("<|return|>", "<|call|>")]
    made = build_tokenizer(
        tokenizer.token_bytes,
        tokenizer.encode_plain,
        vocab_size=tokenizer.vocab_size,
        special_ids=tokenizer.control_ids,
        eos_ids=ends,
    )
    compiler = ConstraintCompiler(lambda: made)
    state = (await compiler.compile(calls_spec(tokenizer))).begin()
    compiler.close()
    for token_id in tokenizer.encode(f"{FINAL}Words", add_bos=False):
        state.consume(token_id)
    bits = new_bits(tokenizer.vocab_size)
    assert state.fill(bits)
    assert all(bits[end // 32] >> (end % 32) & 1 for end in ends)
