"""The parts of a conversation at the terminal."""

from __future__ import annotations

import io

import msgspec
import pytest

from service.cli.chat.answering import rates
from service.cli.chat.screen import Screen, Wrapper
from service.cli.chat.session import Session
from service.cli.chat.settings import read_form, read_think, set_command
from service.cli.client.asking import Stats
from service.cli.client.request import chat_request
from service.cli.errors import CommandError
from service.store.overrides import Parameters, Turn
from tests.unit.service.cli.samples import NO_TEXT

TEXT = "The quick brown fox jumps over\nthe lazy dog and an incomprehensibilities word"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_break_between_words_however_the_text_comes(size: int) -> None:
    wrapper = Wrapper(16)
    pieces = [TEXT[start : start + size] for start in range(0, len(TEXT), size)]
    shown = "".join(map(wrapper.wrapped, pieces)) + wrapper.rest()
    lines = shown.split("\n")
    assert [line.rstrip() for line in lines[:4]] == [
        "The quick brown",
        "fox jumps over",
        "the lazy dog",
        "and an",
    ]
    assert shown.split() == TEXT.split() or "".join(shown.split()) == "".join(TEXT.split())


def test_without_a_width_nothing_is_held_back() -> None:
    assert Wrapper(0).wrapped("half a wo") == "half a wo"


def _shown(*, hides_thinking: bool) -> str:
    stream = io.StringIO()
    screen = Screen(stream, wraps=True, hides_thinking=hides_thinking)
    screen.think("Hm")
    screen.think(", so.")
    screen.say("")
    screen.say("Yes")
    screen.say(".")
    screen.end()
    return stream.getvalue()


def test_thoughts_stand_apart_or_are_hidden() -> None:
    assert _shown(hides_thinking=False) == "Thinking...\nHm, so.\n...done thinking.\n\nYes.\n"
    assert _shown(hides_thinking=True) == "Yes.\n"


def test_settings_reach_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session("m", keep_alive="5m")
    for command in (
        "parameter temperature 0.5",
        "parameter num_predict 7",
        "parameter stop A B",
        "parameter repeat_penalty 1.5",
        "system Be brief.",
        "format json",
        "think low",
        "verbose",
    ):
        set_command(session, command)
    session.turns.append(Turn("user", "Hi"))
    asked = chat_request(session.ask())
    assert asked.options == Parameters(
        temperature=0.5, num_predict=7, stop=("A", "B"), repeat_penalty=1.5
    )
    assert (asked.think, asked.format) == ("low", msgspec.Raw(b'"json"'))
    assert [turn.role for turn in asked.messages] == ["system", "user"]
    assert asked.keep_alive == "5m"
    assert session.verbose
    set_command(session, "quiet")
    set_command(session, "noformat")
    set_command(session, "nothink")
    assert not session.verbose
    assert session.form is None
    assert session.think is False
    assert "Set parameter 'temperature' to '0.5'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("parameter", "usage"),
        ("parameter temperature", "usage"),
        ("parameter temperature hot", "temperature"),
        ("parameter nonsense 1", "nonsense"),
        ("parameter num_gpu 1", "--device"),
        ("system", "usage"),
        ("format yaml", "JSON schema"),
        ("format 3", "JSON schema"),
        ("think hard", "low, medium, high"),
        (f"format {NO_TEXT}", "JSON schema"),
        (f"think {NO_TEXT}", "low, medium, high"),
        ("colour red", "colour"),
    ],
)
def test_what_cannot_be_set_is_told_and_changes_nothing(command: str, named: str) -> None:
    session = Session("m")
    with pytest.raises(CommandError, match=named):
        set_command(session, command)
    assert session == Session("m")


def test_a_format_is_json_or_a_schema() -> None:
    assert read_form("json") == "json"
    assert read_form('{"type": "object"}') == '{"type": "object"}'
    assert read_think("true") is True
    assert read_think("false") is False


def test_rates_are_those_of_the_durations() -> None:
    told = rates(Stats(3_000_000_000, 0, 26, 130_000_000, 259, 2_000_000_000))
    assert "total duration:       3s\n" in told
    assert "prompt eval duration: 130ms\n" in told
    assert "prompt eval rate:     200.00 tokens/s\n" in told
    assert told.endswith("eval rate:            129.50 tokens/s")
    assert "prompt eval rate:     -" in rates(Stats(0, 0, 0, 0, 0, 0))


def test_what_is_not_set_is_left_to_the_service() -> None:
    asked = msgspec.to_builtins(chat_request(Session("m").ask()))
    assert asked == {"model": "m", "messages": [], "options": {}}
