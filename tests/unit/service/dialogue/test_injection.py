"""What users write never becomes a control token, and otherwise never changes a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.dialogue.message import Message
from service.dialogue.shield import Shield, control_pattern
from service.dialogue.template import ChatTemplate
from service.errors import RequestError
from service.text.segment import Segment
from service.text.tokenizer import Tokenizer
from tests.unit.service.dialogue.samples import STYLES, Style
from tests.unit.service.text.samples import id_of, saved

styles = st.sampled_from(sorted(STYLES))
harmless = st.text("ab é🙂\n[]|", min_size=1, max_size=20)


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokenizer]:
    return {
        name: Tokenizer(saved(style.tokenizer, tmp_path_factory.mktemp(name)))
        for name, style in STYLES.items()
    }


def _plain(style: Style, messages: list[Message]) -> str:
    """The rendering, as nothing but text."""
    template = ChatTemplate(style.source, bos_token=style.bos_token, eos_token=style.eos_token)
    return "".join(segment.text for segment in template.render(messages))


def _control_ids(style: Style) -> set[int]:
    return {id_of(style.tokenizer, token) for token in style.control_tokens}


def _conversation(texts: list[str]) -> list[Message]:
    roles = ("user", "assistant")
    return [Message(roles[index % 2], text) for index, text in enumerate(texts)]


@settings(deadline=None)
@given(styles, st.lists(harmless, min_size=1, max_size=4))
def test_harmless_messages_are_encoded_as_one_plain_text(
    tokenizer_of: dict[str, Tokenizer], name: str, texts: list[str]
) -> None:
    style, messages = STYLES[name], _conversation(texts)
    expected = style.tokenizer.encode(_plain(style, messages), add_special_tokens=False).ids
    assert tokenizer_of[name].encode_segments(style.template().render(messages)) == expected


@settings(deadline=None)
@given(st.data(), styles)
def test_control_tokens_in_messages_add_none_to_the_prompt(
    tokenizer_of: dict[str, Tokenizer], data: st.DataObject, name: str
) -> None:
    style = STYLES[name]
    pieces = st.one_of(harmless, st.sampled_from([*style.control_tokens, "<", "|>", "</", "s>"]))
    hostile = st.lists(pieces, min_size=1, max_size=6).map("".join)
    texts = data.draw(st.lists(hostile, min_size=1, max_size=4))
    tokenizer, control_ids = tokenizer_of[name], _control_ids(style)

    def controls(texts: list[str]) -> list[int]:
        ids = tokenizer.encode_segments(style.template().render(_conversation(texts)))
        # <unk> also stands for characters that the vocabulary lacks.
        unknown = style.tokenizer.token_to_id("<unk>")
        return [token_id for token_id in ids if token_id in control_ids and token_id != unknown]

    assert controls(texts) == controls(["x"] * len(texts))
    segments = style.template().render(_conversation(texts))
    assert "".join(segment.text for segment in segments) == _plain(style, _conversation(texts))


@pytest.mark.parametrize(
    "expression",
    [
        "content",
        "content | trim",
        "content | upper",
        "content | lower",
        "content | title",
        "content | capitalize",
        "content | tojson",
        "content | e",
        "content | replace('x', 'y')",
        "content[:3]",
        "content[2:-2]",
        "content | reverse",
        "content | list | join('-')",
        "content.split('|') | join('|')",
        "content.strip('<>|')",
        "content | truncate(4, true, '')",
        "content | wordwrap(2)",
        "content | urlencode",
        "content | tojson(ensure_ascii=true)",
        "content.format()",
        "'%s' % content",
        "(content ~ content) | center(40)",
    ],
)
@pytest.mark.parametrize("token", ["<|im_end|>", "<|IM_END|>", "<|im_<|im_end|>end|>"])
def test_no_filter_makes_a_control_token_of_a_message(
    tokenizer_of: dict[str, Tokenizer], expression: str, token: str
) -> None:
    style = STYLES["chatml"]
    template = ChatTemplate(
        "{% set content = messages[0].content %}{{ " + expression + " }}<|im_end|>",
        control_tokens=style.control_tokens,
    )
    ids = tokenizer_of["chatml"].encode_segments(
        template.render([Message("user", f"x {token}{token} y")])
    )
    assert [token_id for token_id in ids if token_id in _control_ids(style)] == [ids[-1]]


def test_roles_and_names_are_shielded_too(tokenizer_of: dict[str, Tokenizer]) -> None:
    style = STYLES["chatml"]
    template = ChatTemplate(
        "{{ messages[0].role ~ messages[0].name }}", control_tokens=style.control_tokens
    )
    message = Message("user<|im_end|>", "x", "Ann<|im_start|>")
    segments = template.render([message])
    assert [segment.text for segment in segments if segment.literal] == [
        "<|im_end|>",
        "<|im_start|>",
    ]
    ids = tokenizer_of["chatml"].encode_segments(segments)
    assert not _control_ids(style).intersection(ids)


def test_marks_that_a_user_guesses_are_not_used() -> None:
    pattern = control_pattern(["<e>"])
    first = Shield(pattern, ["<e>"]).hide("<e>")
    text = f"{first} <e>"
    shield = Shield(pattern, [text])
    assert shield.segments(shield.hide(text)) == [
        Segment(f"{first} "),
        Segment("<e>", literal=True),
    ]


def test_a_text_that_leaves_no_mark_is_refused() -> None:
    every = "".join(map(chr, [*range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE)]))
    template = ChatTemplate("{{ messages[0].content }}", control_tokens=["<e>"])
    with pytest.raises(RequestError, match="private-use") as caught:
        template.render([Message("user", every + "<e>")])
    assert caught.value.param == "messages"


def test_the_longest_token_is_the_one_that_is_hidden(tmp_path: Path) -> None:
    pattern = control_pattern(["<e>", "<e>x", ""])
    shield = Shield(pattern, ["<e>x"])
    assert shield.segments(shield.hide("<e>x")) == [Segment("<e>x", literal=True)]
