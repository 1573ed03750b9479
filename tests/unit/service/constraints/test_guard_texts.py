"""Regular expressions, grammars and choices: what is refused before compilation."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from service.constraints.guard import (
    check_choices,
    check_grammar,
    check_regex,
    check_whitespace,
)
from service.errors import UnsupportedSchema

GRAMMAR = r"""
// sums
start: sum | "(" start ")"   # and groups
sum: NUMBER ("+" NUMBER)* -> total
NUMBER: /[0-9]+(\.[0-9]+)?/
object: %json { "type": "object", "properties": {"a": {"type": "null"}} }
word: %regex { "substring_words": "a ) b" }
TEXT: /"[^"\/]*"/i & /.{3,}/ | "//" | "\"("
%ignore / +/
"""


def test_an_ordinary_regex_passes() -> None:
    check_regex(r"\d{3}-[a-z]+(\.[a-z]+)*", param="p")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(?=a)b", "look-around"), ("a(", "without its"), ("a" * 70_000, "larger than 64 KiB")],
)
def test_a_regex_that_cannot_be_enforced_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(UnsupportedSchema, match=reason) as refused:
        check_regex(pattern, param="structured_outputs.regex")
    assert refused.value.param == "structured_outputs.regex"


def test_an_ordinary_grammar_passes() -> None:
    check_grammar(GRAMMAR, param="p")


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ("start: " + '"a" ' * 20_000, "larger than 64 KiB"),
        ("start: " + "(" * 97 + '"a"' + ")" * 97, "nested over 96"),
        ("\n".join(f"r{index}: r{index + 1}" for index in range(2000)), "more than 1000 rules"),
        ("start: T\nT: " + " & ".join(["/.*a/"] * 4), "more than 2 intersections"),
        ('start: "a', "unclosed text"),
        ("start: /a", "unclosed text"),
        ("start: %json {", "no JSON"),
        ("start: %json " + "[" * 50_000, "no JSON"),
        ('start: %json {"a": 1, "not": {}}', "#: the keyword 'not'"),
        ('start: %json {"x-guidance": {"lenient": true}}', "the keyword 'x-guidance'"),
        ('start: %json\n{"not": {}}', "the keyword 'not'"),
        ('start: "%json" %json{"items": {"multipleOf": 99991}}', "#/items: the keyword"),
    ],
)
def test_a_grammar_that_could_harm_is_refused(grammar: str, reason: str) -> None:
    with pytest.raises(UnsupportedSchema, match=reason) as refused:
        check_grammar(grammar, param="structured_outputs.grammar")
    assert refused.value.param == "structured_outputs.grammar"


@pytest.mark.parametrize("text", ['\\"', '"\\', "/\\", "<", "//", "#", "%json", '"a"/b/', "é"])
def test_any_grammar_is_read_in_linear_time(text: str) -> None:
    begun_at = time.process_time()
    with suppress(UnsupportedSchema):
        check_grammar("start: " + text * (60_000 // len(text.encode())), param="p")
    assert time.process_time() - begun_at < 1


def test_what_is_in_texts_and_comments_is_no_structure() -> None:
    check_grammar('start: "' + "(&:" * 5000 + '" // ' + "((&" * 2000, param="p")


def test_choices() -> None:
    check_choices(["yes", "no", "🎉"], param="p")
    for choices in ([], ["a", ""], ["a"] * 7501, ["a" * 300_000]):
        with pytest.raises(UnsupportedSchema) as refused:
            check_choices(choices, param="structured_outputs.choice")
        assert refused.value.param == "structured_outputs.choice"


@pytest.mark.parametrize("pattern", [" ", "[\\n\\t ]*", "[ ]?", "(?: |\\n){0,3}", "\\x20+", "\n"])
def test_white_space_that_json_may_have(pattern: str) -> None:
    check_whitespace(pattern, param="p")


@pytest.mark.parametrize("pattern", ["a", "\\s*", "[ -z]", "[^ ]", "[ ?]", "1", "[]", " " * 101])
def test_white_space_that_json_may_not_have(pattern: str) -> None:
    with pytest.raises(UnsupportedSchema) as raised:
        check_whitespace(pattern, param="p")
    assert raised.value.param == "p"
