from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dialogue.styles.detect import style_of
from service.dialogue.styles.start import Start
from service.dialogue.styles.tags import SEED_THINK, START_THINKING, THINK, THINK_BRACKETS, Tags


def _split(pieces: Sequence[str], *, starts_inside: bool = False) -> tuple[str, str]:
    splitter = THINK.splitter(starts_inside=starts_inside)
    splits = [*(splitter.feed(piece) for piece in pieces), splitter.flush()]
    return "".join(s.reasoning for s in splits), "".join(s.content for s in splits)


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("<think>\nHm. So:\n</think>\n\nYes.", "Hm. So:", "Yes."),
        ("\n<think>a</think>b", "a", "b"),
        ("<think></think>b", "", "b"),
        ("<think>\n\n</think>\n\nb", "", "b"),
        ("b <think>a</think>", "", "b <think>a</think>"),
        ("<b>bold</b>", "", "<b>bold</b>"),
        ("  b", "", "  b"),
        ("<think>cut off ", "cut off", ""),
        ("<thi", "", "<thi"),
        ("<think>a </thin k> b</think>c<think>d", "a </thin k> b", "c<think>d"),
        ("", "", ""),
    ],
)
def test_thoughts_are_split_from_the_answer(text: str, reasoning: str, content: str) -> None:
    assert _split([text]) == (reasoning, content)
    assert _split(list(text)) == (reasoning, content)


def test_a_prompt_may_have_opened_the_thoughts() -> None:
    assert THINK.start("<|im_start|>assistant\n<think>\n") is Start.THOUGHTS
    assert THINK.start("<think>\n\n</think>\n\n") is Start.ANSWER
    assert _split(["hm", "</th", "ink>", " yes"], starts_inside=True) == ("hm", "yes")
    assert _split(["no end"], starts_inside=True) == ("no end", "")


PIECES = st.sampled_from(["<think>", "</think>", "<", "</", "think>", "a", " ", "\n", "é"])


@given(pieces=st.lists(PIECES, max_size=12), starts_inside=st.booleans())
def test_the_pieces_do_not_matter(pieces: list[str], starts_inside: bool) -> None:
    whole = _split(["".join(pieces)], starts_inside=starts_inside)
    assert _split(pieces, starts_inside=starts_inside) == whole
    assert _split(list("".join(pieces)), starts_inside=starts_inside) == whole


@given(pieces=st.lists(PIECES, max_size=12), starts_inside=st.booleans())
def test_nothing_but_tags_and_white_space_is_lost(pieces: list[str], starts_inside: bool) -> None:
    text = "".join(pieces)
    reasoning, content = _split([text], starts_inside=starts_inside)
    left = "".join((reasoning + content).split())
    for tag in ("<think>", "</think>"):
        text, left = text.replace(tag, ""), left.replace(tag, "")
    assert sorted("".join(text.split())) == sorted(left) or "think>" in text


def test_tokens_around_the_text_are_no_text() -> None:
    splitter = START_THINKING.splitter(starts_inside=False)
    marks = set(START_THINKING.marks)
    parts = ["<|START_THINKING|>", "hm", "<|END_THINKING|>", "<|START_RESPONSE|>", "yes"]
    splits = [splitter.mark(part) if part in marks else splitter.feed(part) for part in parts]
    splits += [splitter.mark("<|END_RESPONSE|>"), splitter.flush()]
    assert "".join(each.reasoning for each in splits) == "hm"
    assert "".join(each.content for each in splits) == "yes"
    turn = "<|START_RESPONSE|>a<|END_RESPONSE|><|CHATBOT_TOKEN|>"
    assert START_THINKING.start(turn) is Start.ANSWER
    assert START_THINKING.start(f"{turn}<|START_RESPONSE|>b") is Start.TEXT


@pytest.mark.parametrize("tags", [THINK_BRACKETS, SEED_THINK, START_THINKING])
def test_the_template_gives_the_tags_away(tags: Tags) -> None:
    assert style_of(f"{tags.open} {tags.close}", ()) is tags
    splitter = tags.splitter(starts_inside=False)
    split = splitter.feed(f"{tags.open}a{tags.close}b")
    assert (split.reasoning, split.content) == ("a", "b")
