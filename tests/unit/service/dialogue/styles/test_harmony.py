"""Harmony's messages: which are thoughts, text and calls, and how past ones are told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dialogue.dialogue import Dialogue
from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.dialogue.styles.detect import style_of
from service.dialogue.styles.harmony import HARMONY_STYLE
from service.dialogue.styles.start import Start
from service.dialogue.styles.tags import THINK
from service.dialogue.template import ChatTemplate
from service.dialogue.tools.harmony import HARMONY
from service.dialogue.tools.tool import Tool, ToolCall
from tests.unit.service.dialogue.styles.harmony import CONTROL_TOKENS, TEMPLATE, pieces, read

THOUGHTS = "<|channel|>analysis<|message|>Hm.<|end|>"
NEXT = "<|start|>assistant"
FINAL = "<|channel|>final<|message|>"
PREAMBLE = "<|channel|>commentary<|message|>Let me see.<|end|>"
CALL = '<|channel|>commentary to=functions.ping <|constrain|>json<|message|>{"a": "<|end|>"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{THOUGHTS}{NEXT}{FINAL}Yes.", ("Hm.", "Yes.", [])),
        (f"{FINAL}Yes.", ("", "Yes.", [])),
        (f"{THOUGHTS}{NEXT}{THOUGHTS}", ("Hm.\n\nHm.", "", [])),
        (f"{THOUGHTS}{NEXT}{PREAMBLE}{NEXT}{FINAL}Yes.", ("Hm.", "Let me see.\n\nYes.", [])),
        (f"{FINAL[:-11]} <|constrain|>json<|message|>{{}}", ("", "{}", [])),
        ("No header at all.", ("", "No header at all.", [])),
        ("  to", ("", "", [])),
        ("tomorrow", ("", "tomorrow", [])),
        (f"{THOUGHTS}{NEXT}<|channel|>fin", ("Hm.", "", [])),
        ("<|channel|>analysis<|message|>cut", ("cut", "", [])),
        ("", ("", "", [])),
    ],
)
def test_messages_are_told_apart_by_their_channels(
    text: str, expected: tuple[str, str, list[tuple[str, str]]]
) -> None:
    assert read(pieces(text)) == expected


@pytest.mark.parametrize(
    "head",
    [
        "<|channel|>commentary to=functions.ping <|constrain|>json<|message|>",
        "<|channel|>commentary to=functions.ping json<|message|>",
        "<|channel|>commentary to=functions.ping<|message|>",
        " to=functions.ping<|channel|>commentary json<|message|>",
        " to=functions.ping<|channel|>commentary <|constrain|>json<|message|>",
    ],
)
def test_a_call_is_one_wherever_its_header_names_the_function(head: str) -> None:
    called = [("ping", '{"a": [1]}')]
    for before, content in (("", ""), (f"{PREAMBLE}{NEXT}", "Let me see.")):
        text = f'{THOUGHTS}{NEXT}{before}{head}{{"a": [1]}}'
        assert read(pieces(text)) == ("Hm.", content, called)


def test_tokens_that_are_only_spelled_are_text() -> None:
    text = f"Use {CALL}."
    assert read([*pieces(FINAL), (text, False)]) == ("", text, [])
    head, _, arguments = CALL.partition("{")
    assert read([*pieces(head), ("{" + arguments, False)]) == (
        "",
        "",
        [("ping", '{"a": "<|end|>"}')],
    )


def test_a_prompt_may_have_begun_the_thoughts() -> None:
    assert read([("hm", False), *pieces(f"<|end|>{NEXT}{FINAL}yes")], starts_inside=True) == (
        "hm",
        "yes",
        [],
    )
    assert HARMONY_STYLE.start("<|start|>user<|message|>a<|end|><|start|>assistant") is Start.ANSWER
    assert HARMONY_STYLE.start(f"{NEXT}<|channel|>analysis<|message|>") is Start.THOUGHTS
    assert HARMONY_STYLE.start(f"{NEXT}{FINAL}The capital") is Start.TEXT


PARTS = st.sampled_from(
    [*((token, True) for token in CONTROL_TOKENS), (" to=functions.ping", False)]
    + [(text, False) for text in ("analysis", "final", "commentary", "a b", "{}", " json", "é")]
)


@given(st.lists(PARTS, max_size=14))
@settings(max_examples=60, deadline=None)
def test_the_pieces_do_not_matter(parts: list[tuple[str, bool]]) -> None:
    whole: list[tuple[str, bool]] = []
    for text, is_mark in parts:
        if whole and not is_mark and not whole[-1][1]:
            text, is_mark = whole.pop()[0] + text, False
        whole.append((text, is_mark))
    single = [
        piece
        for text, is_mark in parts
        for piece in ([(text, True)] if is_mark else [(char, False) for char in text])
    ]
    assert read(single) == read(whole)


def dialogue() -> Dialogue:
    template = ChatTemplate(TEMPLATE, control_tokens=CONTROL_TOKENS)
    return Dialogue(template, CONTROL_TOKENS)


def prompt(*messages: Message, **variables: str) -> str:
    options = TemplateOptions(tuple(variables.items()), tools=(Tool("ping"),))
    text = "".join(part.text for part in dialogue().render(messages, options))
    return text.partition("<|start|>user")[1] + text.partition("<|start|>user")[2]


ASK = Message("user", "Ping both.")
CALLS = Message(
    "assistant",
    "I will.",
    reasoning="Two hosts.",
    tool_calls=(ToolCall("a", "ping", '{"host": 1}'), ToolCall("b", "pong", "{}")),
)
RESULTS = (
    Message("tool", "late", "pong", tool_call_id="b"),
    Message("tool", "ok", tool_call_id="a"),
)


def test_the_template_and_the_vocabulary_give_it_away() -> None:
    assert dialogue().style is HARMONY_STYLE
    assert dialogue().tool_format is HARMONY
    assert style_of(TEMPLATE, CONTROL_TOKENS[:3]) is None
    assert style_of("<think></think>", CONTROL_TOKENS) is THINK


def test_past_calls_come_one_by_one_each_with_its_result() -> None:
    assert prompt(ASK, CALLS, *RESULTS) == (
        "<|start|>user<|message|>Ping both.<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>Two hosts.\n\nI will.<|end|>"
        "<|start|>assistant to=functions.ping<|channel|>commentary json<|message|>"
        '{"host": 1}<|call|>'
        '<|start|>functions.ping to=assistant<|channel|>commentary<|message|>"ok"<|end|>'
        "<|start|>assistant to=functions.pong<|channel|>commentary json<|message|>{}<|call|>"
        '<|start|>functions.pong to=assistant<|channel|>commentary<|message|>"late"<|end|>'
        "<|start|>assistant"
    )


def test_results_without_an_id_are_in_the_order_of_the_calls() -> None:
    text = prompt(ASK, CALLS, Message("tool", "first", "x"), Message("tool", "second", "x"))
    assert 'functions.ping to=assistant<|channel|>commentary<|message|>"first"' in text
    assert 'functions.pong to=assistant<|channel|>commentary<|message|>"second"' in text


def test_effort_is_the_templates_variable() -> None:
    options = TemplateOptions((("reasoning_effort", "high"),))
    text = "".join(part.text for part in dialogue().render([ASK], options))
    assert text.startswith("<|start|>system<|message|>Reasoning: high<|end|>")
