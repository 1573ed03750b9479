"""Answers whose parts are told apart by control tokens, through a real engine thread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.dialogue.answer import joined
from service.dialogue.styles.harmony import HARMONY_STYLE
from service.dialogue.styles.style import ModelStyle, Style
from service.dialogue.styles.tags import THINK_BRACKETS
from service.dialogue.tools.harmony import HARMONY
from service.engine.request import Request
from service.generation import Generation, TextDelta
from service.options import CallForm, GenerationOptions
from service.text.token_bytes import read_token_bytes
from service.text.tokenizer_json import TokenizerJson
from tests.unit.service.dialogue.styles.harmony import CONTROL_TOKENS
from tests.unit.service.dialogue.tools.formats import TOOLS
from tests.unit.service.engine.requests import GREEDY
from tests.unit.service.engine.streams import running_engine
from tests.unit.service.script_runner import ScriptRunner
from tests.unit.service.text.samples import byte_level, id_of

pytestmark = pytest.mark.anyio

BYTE_LEVEL = byte_level((*CONTROL_TOKENS, "[THINK]", "[/THINK]"))
CONTROL_IDS = {
    token: id_of(BYTE_LEVEL, token) for token in (*CONTROL_TOKENS, "[THINK]", "[/THINK]")
}
TOKEN_BYTES = read_token_bytes(TokenizerJson.parse(BYTE_LEVEL.to_str().encode()))
VOCAB_SIZE = BYTE_LEVEL.get_vocab_size()
SPLITS = GenerationOptions(splits_reasoning=True)
CALLS = CallForm(
    parser=lambda: HARMONY.parser(TOOLS),
    check=lambda _name, _arguments: None,
    new_id=lambda: "call_1",
    shown_ids=frozenset(CONTROL_IDS.values()),
)

THOUGHTS = "<|channel|>analysis<|message|>final naïve 🦊<|end|><|start|>assistant"
FINAL = "<|channel|>final<|message|>"


def tokens(text: str) -> list[int]:
    token_ids: list[int] = BYTE_LEVEL.encode(text, add_special_tokens=False).ids
    return token_ids


async def answered(
    script: str, options: GenerationOptions = SPLITS, style: Style = HARMONY_STYLE
) -> tuple[Generation, list[TextDelta]]:
    spoken = ModelStyle.of(style, CONTROL_IDS)
    end = CONTROL_IDS["<|call|>" if "to=" in script else "<|return|>"]
    runner = ScriptRunner(tokens(script), end=end, vocab_size=VOCAB_SIZE)
    async with running_engine(runner) as engine:
        stops = frozenset({CONTROL_IDS["<|return|>"]}) | spoken.stop_ids
        request = Request(engine.new_id(), [1], 500, stops, GREEDY)
        (stream,) = engine.submit([request])
        generation = Generation(engine, stream, TOKEN_BYTES, options, style=spoken)
        return generation, [delta async for delta in generation]


def text_of(deltas: list[TextDelta]) -> tuple[str, str]:
    return "".join(each.reasoning for each in deltas), "".join(each.text for each in deltas)


async def test_channels_come_apart_and_thoughts_are_counted() -> None:
    generation, deltas = await answered(f"{THOUGHTS}{FINAL}Yes 🦊.")
    assert text_of(deltas) == ("final naïve 🦊", "Yes 🦊.")
    assert deltas[-1].finish_reason == "stop"
    # Its own tokens, and the marks around them.
    assert generation.num_reasoning_tokens == len(tokens("final naïve 🦊")) + 2
    num_all = len(tokens(f"{THOUGHTS}{FINAL}Yes 🦊.")) + 1
    assert generation.num_output_tokens == num_all


async def test_calls_come_apart_and_their_token_ends_the_answer() -> None:
    call = '<|channel|>commentary to=functions.ping <|constrain|>json<|message|>{"a": "🦊"}'
    _, deltas = await answered(f"{THOUGHTS}{call}", replace(SPLITS, calls=CALLS))
    assert text_of(deltas) == ("final naïve 🦊", "")
    (found,) = joined([call for delta in deltas for call in delta.calls])
    assert (found.id, found.name, found.arguments) == ("call_1", "ping", '{"a": "🦊"}')


async def test_stop_strings_cut_text_and_no_headers() -> None:
    options = replace(SPLITS, stop=("assistant", "finally", "s."))
    generation, deltas = await answered(f"{THOUGHTS}{FINAL}Yes. No.", options)
    assert text_of(deltas) == ("final naïve 🦊", "Ye")
    assert generation.stop_reason == "s."


async def test_tags_that_are_control_tokens_are_seen() -> None:
    _, deltas = await answered("[THINK]hm[/THINK] yes", style=THINK_BRACKETS)
    assert text_of(deltas) == ("hm", "yes")
