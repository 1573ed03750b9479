"""From tokens to text, through a real engine thread that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.async_engine import AsyncEngine
from service.engine.request import FinishReason, Request
from service.errors import EngineFailure
from service.generation import Generation, TextDelta
from service.options import GenerationOptions
from service.text.token_bytes import read_token_bytes
from service.text.tokenizer_json import TokenizerJson
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.engine.streams import running_engine
from tests.unit.service.script_runner import ScriptRunner
from tests.unit.service.text.samples import byte_level, id_of

BYTE_LEVEL = byte_level()
END = id_of(BYTE_LEVEL, "<|im_end|>")
VOCAB_SIZE = BYTE_LEVEL.get_vocab_size()


PLAIN = GenerationOptions()

TOKEN_BYTES = read_token_bytes(TokenizerJson.parse(BYTE_LEVEL.to_str().encode()))


@dataclass(frozen=True)
class Answer:
    text: str
    finish_reason: FinishReason | None
    num_output_tokens: int
    deltas: Sequence[TextDelta]


def _tokens(text: str) -> list[int]:
    token_ids: list[int] = BYTE_LEVEL.encode(text, add_special_tokens=False).ids
    return token_ids


def _generation(
    engine: AsyncEngine,
    prompt: Sequence[int],
    max_tokens: int,
    end: int,
    options: GenerationOptions = PLAIN,
) -> Generation:
    request = Request(
        engine.new_id(),
        list(prompt),
        max_tokens,
        frozenset({end}) | options.stop_token_ids,
        GREEDY,
        min_tokens=options.min_tokens,
        num_logprobs=options.num_logprobs,
    )
    (stream,) = engine.submit([request])
    return Generation(engine, stream, TOKEN_BYTES, options)


@asynccontextmanager
async def _generating(
    script: Sequence[int], *, stop: Sequence[str] = (), max_tokens: int = 500
) -> AsyncIterator[tuple[Generation, ScriptRunner]]:
    runner = ScriptRunner(script, end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        options = GenerationOptions(stop=tuple(stop))
        yield _generation(engine, [1, 2, 3], max_tokens, END, options), runner


async def _answer(
    script: Sequence[int], *, stop: Sequence[str] = (), max_tokens: int = 500
) -> Answer:
    async with _generating(script, stop=stop, max_tokens=max_tokens) as (generation, _):
        deltas = [delta async for delta in generation]
    assert all(delta.finish_reason is None for delta in deltas[:-1])
    text = "".join(delta.text for delta in deltas)
    return Answer(text, deltas[-1].finish_reason, generation.num_output_tokens, deltas)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text", ["hello there, how are you", "你好 世界", "🙂", "👩‍👩‍👧 and 🙂🙂", "naïve café\n\n"]
)
async def test_the_pieces_are_the_text(text: str) -> None:
    script = _tokens(text)
    answer = await _answer(script)
    assert answer.text == text
    assert answer.finish_reason == "stop"
    assert answer.num_output_tokens == len(script) + 1
    assert "\ufffd" not in "".join(delta.text for delta in answer.deltas)


@pytest.mark.anyio
async def test_characters_come_whole_or_not_at_all() -> None:
    """Every piece but the last is valid text by itself, although each token is part of one."""
    answer = await _answer(_tokens("🙂🙂🙂你好"))
    for delta in answer.deltas:
        delta.text.encode()
        assert "\ufffd" not in delta.text


@pytest.mark.anyio
async def test_a_character_cut_by_the_length_is_shown_as_broken() -> None:
    script = _tokens("ab🙃")
    answer = await _answer(script, max_tokens=len(script) - 1)
    assert answer.text == "ab\ufffd"
    assert answer.finish_reason == "length"


@pytest.mark.anyio
async def test_length_counts_tokens() -> None:
    script = _tokens("hello there, how are you")
    answer = await _answer(script, max_tokens=3)
    assert answer.num_output_tokens == 3
    assert answer.text == BYTE_LEVEL.decode(script[:3])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (["there"], "hello "),
        (["o there, h"], "hell"),
        (["you", "how"], "hello there, "),
        (["hello"], ""),
        (["zebra", "there zebra"], "hello there, how are you"),
        (["youth"], "hello there, how are you"),
    ],
)
async def test_nothing_of_a_stop_string_is_shown(stop: list[str], text: str) -> None:
    script = _tokens("hello there, how are you")
    answer = await _answer(script, stop=stop)
    assert answer.text == text
    assert answer.finish_reason == "stop"
    for end in range(len(answer.deltas)):
        shown = "".join(delta.text for delta in answer.deltas[:end])
        assert text.startswith(shown)


@given(
    text=st.text(st.sampled_from("ab你🙂 "), max_size=30),
    stop=st.lists(st.text(st.sampled_from("ab你🙂 "), min_size=1, max_size=4), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_streaming_cuts_where_the_whole_text_would_be_cut(text: str, stop: list[str]) -> None:
    answer = anyio.run(lambda: _answer(_tokens(text), stop=stop))
    ends = [text.find(item) + len(item) for item in stop if item in text]
    cut = text
    if ends:
        first = min(ends)
        cut = text[: min(first - len(item) for item in stop if text[:first].endswith(item))]
    assert answer.text == cut


@pytest.mark.anyio
async def test_a_stop_string_beats_the_length() -> None:
    script = _tokens("hello there")
    answer = await _answer(script, stop=["there"], max_tokens=len(script))
    assert (answer.text, answer.finish_reason) == ("hello ", "stop")


@pytest.mark.anyio
async def test_a_stop_string_ends_the_work() -> None:
    script = _tokens("a b " * 5000)
    async with _generating(script, stop=["b a b"], max_tokens=10**6) as (generation, runner):
        text = "".join([delta.text async for delta in generation])
    assert text == "a "
    assert generation.num_output_tokens <= 12
    assert runner.num_decoded < len(script)


@pytest.mark.anyio
async def test_tokens_behind_a_stop_string_do_not_count() -> None:
    script = _tokens("hello there, how are you")
    counted = {(await _answer(script, stop=["there"])).num_output_tokens for _ in range(5)}
    assert counted == {len(_tokens("hello there"))}


@pytest.mark.anyio
async def test_aborting_twice_is_no_error() -> None:
    async with _generating(_tokens("a b " * 100)) as (generation, _):
        generation.abort()
        generation.abort()
        assert [delta async for delta in generation] == []


@pytest.mark.anyio
async def test_a_failure_reaches_the_reader() -> None:
    async with _generating([VOCAB_SIZE + 5]) as (generation, _):
        with pytest.raises(EngineFailure):
            [delta async for delta in generation]


@pytest.mark.anyio
async def test_prompt_and_cached_tokens_are_counted() -> None:
    runner = ScriptRunner([END], end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        counts = []
        for _ in range(2):
            generation = _generation(engine, range(20), 5, END)
            assert [delta.finish_reason async for delta in generation] == ["stop"]
            counts.append((generation.num_prompt_tokens, generation.num_cached_tokens))
    assert counts == [(20, 0), (20, 19)]


@pytest.mark.anyio
async def test_the_token_that_ends_an_answer_is_no_text_whatever_its_spelling() -> None:
    """Not all models flag their end tokens as special."""
    (end,) = _tokens("!")
    script = _tokens("hello")
    runner = ScriptRunner(script, end=end, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        generation = _generation(engine, [1, 2, 3], 50, end)
        text = "".join([delta.text async for delta in generation])
    assert text == "hello"
    assert generation.num_output_tokens == len(script) + 1


@pytest.mark.anyio
async def test_logprobs_come_with_the_text_that_shows() -> None:
    script = _tokens("ab 🙂 there you")
    options = GenerationOptions(stop=("there",), num_logprobs=1)
    runner = ScriptRunner(script, end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        generation = _generation(engine, [1, 2], 50, END, options)
        deltas = [delta async for delta in generation]
    text = "".join(delta.text for delta in deltas)
    found = [item for delta in deltas for item in delta.logprobs]
    assert text == "ab 🙂 "
    shown = b"".join(TOKEN_BYTES.pieces[item.logprobs.token_id] for item in found).decode()
    assert shown.startswith(text)
    assert [item.offset for item in found] == sorted(item.offset for item in found)
    assert all(item.offset < len(text) for item in found)
    assert all(item.logprobs.logprob == item.logprobs.top[0][1] for item in found)
    assert generation.stop_reason == "there"


@pytest.mark.anyio
async def test_the_token_that_ends_an_answer_has_no_logprobs_but_counts_in_the_mean() -> None:
    runner = ScriptRunner(_tokens("hi"), end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        generation = _generation(engine, [1], 50, END, GenerationOptions(num_logprobs=0))
        deltas = [delta async for delta in generation]
    found = [item.logprobs for delta in deltas for item in delta.logprobs]
    assert [item.token_id for item in found] == _tokens("hi")
    assert generation.mean_logprob == pytest.approx(found[0].logprob, abs=1e-6)
    assert generation.stop_reason is None


@pytest.mark.anyio
async def test_a_stop_token_of_the_request_is_told() -> None:
    (stop,) = _tokens("!")
    options = GenerationOptions(stop_token_ids=frozenset({stop}))
    runner = ScriptRunner([*_tokens("hi"), stop, stop], end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        generation = _generation(engine, [1], 50, END, options)
        text = "".join([delta.text async for delta in generation])
    assert (text, generation.stop_reason) == ("hi", stop)


@pytest.mark.anyio
async def test_no_stop_string_counts_before_its_time() -> None:
    script = _tokens("a b a b a b")
    options = GenerationOptions(stop=("b",), min_tokens=len(_tokens("a b a")))
    runner = ScriptRunner(script, end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        generation = _generation(engine, [1], 50, END, options)
        text = "".join([delta.text async for delta in generation])
    assert text == "a b a "


@pytest.mark.anyio
async def test_thoughts_come_apart_and_are_counted() -> None:
    thoughts, answer = "<think>\nhm, so\n</think>", "\n\nyes"
    runner = ScriptRunner(_tokens(thoughts) + _tokens(answer), end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        options = GenerationOptions(splits_reasoning=True)
        generation = _generation(engine, [1], 500, END, options)
        deltas = [delta async for delta in generation]
    assert "".join(delta.reasoning for delta in deltas) == "hm, so"
    assert "".join(delta.text for delta in deltas) == "yes"
    tags = len(_tokens("<think>"))
    assert 0 < generation.num_reasoning_tokens <= len(_tokens(thoughts))
    assert generation.num_reasoning_tokens >= len(_tokens(thoughts)) - tags


@pytest.mark.anyio
async def test_a_request_for_no_tokens_ends_with_its_prompt() -> None:
    runner = ScriptRunner(_tokens("hi"), end=END, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        generation = _generation(engine, [1, 2, 3], 0, END)
        deltas = [delta async for delta in generation]
    assert [(delta.text, delta.finish_reason) for delta in deltas] == [("", "length")]
    assert generation.num_output_tokens == 0
    assert runner.num_decoded == 0
