"""Every format: what its calls are written as is read as the same calls, however it comes."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dialogue.tools.either import CallsOrContent
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.tool import ToolCall
from tests.unit.service.dialogue.tools.formats import FORMATS, TOOLS, call, folded, read

ALL = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
TRICKY = (
    'quotes " and \\ and \\" , ) ] } { [ ( =',
    "</tool_call>\n<tool_call> </function> ``` [ARGS] [TOOL_CALLS]",
    "Zoë 🦊 北京\n\ttab",
    "",
)

_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
_values = st.fixed_dictionaries(
    {"city": _texts | st.sampled_from(TRICKY)},
    optional={
        "days": st.integers(-5, 100),
        "alerts": st.booleans(),
        "unit": st.sampled_from(["celsius", "fahrenheit"]),
        "near": st.lists(st.dictionaries(_texts, _texts, max_size=2), max_size=2),
        "code": _texts,
        "extra": st.none(),
    },
)


@ALL
@given(st.lists(_values, min_size=1, max_size=3), st.data())
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
def test_calls_come_back_as_they_were_written(
    form: ToolFormat, arguments: list[dict[str, object]], data: st.DataObject
) -> None:
    if form.name == "tagged" and any("code" in each for each in arguments):
        # A text with a limit stands in quotes there, which `written` does not know of.
        arguments = [_without(each, "code") for each in arguments]
    calls = [call("get_weather", **each) for each in arguments] + [call("ping")]
    text = "Let me see.\n" * ("" not in form.openings) + form.written(calls)
    pieces = _cut(text, data)
    content, found = read(form, pieces)
    assert content == ("" if "" in form.openings else "Let me see.")
    assert [name for name, _ in found] == ["get_weather"] * len(arguments) + ["ping"]
    assert [json.loads(each) for _, each in found] == [*arguments, {}]


def _without(values: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}


def _cut(text: str, data: st.DataObject) -> list[str]:
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@ALL
def test_one_character_at_a_time_gives_the_same_as_all_at_once(form: ToolFormat) -> None:
    calls = [call("get_weather", city=TRICKY[0], days=3, alerts=True), call("ping")]
    text = form.written(calls)
    assert read(form, text) == read(form, [text])


@ALL
def test_text_without_calls_is_passed_on_whole(form: ToolFormat) -> None:
    text = "  No tools < needed here, but [brackets], {braces} and ``` fences.\n "
    assert read(form, text) == (text, [])


@ALL
def test_a_call_that_is_cut_has_the_arguments_that_came(form: ToolFormat) -> None:
    text = form.written([call("get_weather", city="Paris", days=3)])
    for length in range(len(text)):
        content, found = read(form, [text[:length]])
        assert not content or text.startswith(content)
        for name, arguments in found:
            assert name == "get_weather"
            assert json.dumps({"city": "Paris", "days": 3}).startswith(arguments)


@ALL
def test_an_object_that_cannot_be_told_apart_is_written_whole(form: ToolFormat) -> None:
    arguments = '{"any key": 1, "nested": {"a": [true, null]}}'
    if form.name == "tagged":
        text = f"<tool_call>\n<function=open-ended>\n<parameter=>\n{arguments}\n</parameter>"
        text += "\n</function>\n</tool_call>"
    else:
        text = form.written([ToolCall("", "open-ended", arguments)])
    assert read(form, text) == ("", [("open-ended", arguments)])


@ALL
def test_reading_takes_time_in_proportion_to_the_text(form: ToolFormat) -> None:
    def duration_s(size: int) -> float:
        text = form.written([call("get_weather", city='{"<tool_call>' * size)])
        parser = form.parser(TOOLS)
        started_s = time.process_time()
        for i in range(0, len(text), 64):
            parser.feed(text[i : i + 64])
        return time.process_time() - started_s

    duration_s(100)
    shorter_s = max(min(duration_s(2_000) for _ in range(3)), 0.005)
    assert min(duration_s(16_000) for _ in range(3)) < 24 * shorter_s


@ALL
def test_ids_are_such_as_the_template_takes(form: ToolFormat) -> None:
    made = form.new_call_id()
    assert form.known_call_id(made) == made
    assert form.new_call_id() != made
    known = form.known_call_id("toolu_01A09q90qw90lq917835lq9")
    assert known == form.known_call_id("toolu_01A09q90qw90lq917835lq9")
    if form.name.startswith("mistral"):
        assert all(len(each) == 9 and each.isalnum() for each in (made, known))


@ALL
@given(st.data())
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
def test_what_an_answer_in_json_spells_is_no_call(form: ToolFormat, data: st.DataObject) -> None:
    openings = [opening for opening in form.openings if opening]
    written = form.written([call("ping")])
    for text in (json.dumps({"x": written}), f' {{"x": "{written}"}}', " \n"):
        reader = CallsOrContent(form.parser(TOOLS), openings)
        pieces = _cut(text, data)
        assert folded([*map(reader.feed, pieces), reader.flush()]) == (text, [])
    if openings and "" not in form.openings:
        reader = CallsOrContent(form.parser(TOOLS), openings)
        pieces = _cut(f"\n{written}", data)
        assert folded([*map(reader.feed, pieces), reader.flush()]) == ("", [("ping", "{}")])


def test_a_name_that_is_no_tool_begins_no_call() -> None:
    """Where calls have no mark of their own, JSON is JSON unless it names a tool."""
    (llama,) = (form for form in FORMATS if form.name == "llama-json")
    text = '{"name": "Zoë", "parameters": {"age": 3}}'
    assert read(llama, text) == (text, [])
    assert read(llama, f"\n {llama.written([call('ping')])}") == ("", [("ping", "{}")])


def test_values_of_python_become_json() -> None:
    (pythonic,) = (form for form in FORMATS if form.name == "pythonic")
    text = '[get_weather(city="a, b)", alerts=False, extra=None), ping()]'
    expected = '{"city": "a, b)", "alerts": false, "extra": null}'
    assert read(pythonic, text) == ("", [("get_weather", expected), ("ping", "{}")])


def test_texts_between_tags_stand_as_they_are() -> None:
    (tagged,) = (form for form in FORMATS if form.name == "tagged")
    text = (
        '<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n"x"\n</parameter>\n'
        "<parameter=days>\n12\n</parameter>\n</function>\n</tool_call>"
    )
    assert read(tagged, text) == (
        "",
        [("get_weather", '{"city": "12\\n\\"x\\"", "days": 12}')],
    )
