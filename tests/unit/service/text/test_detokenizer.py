from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from service.text.detokenizer import Detokenizer
from service.text.token_bytes import TokenBytes, read_token_bytes
from service.text.tokenizer_json import TokenizerJson
from tests.unit.service.text.samples import byte_level, id_of, sentencepiece


def _bytes_of(tokenizer: LibraryTokenizer) -> TokenBytes:
    return read_token_bytes(TokenizerJson.parse(tokenizer.to_str().encode()))


BYTE_LEVEL = byte_level()
SENTENCEPIECE = sentencepiece(first_only=True)
TOKENIZERS = {"byte level": BYTE_LEVEL, "sentencepiece": SENTENCEPIECE}
TOKEN_BYTES = {kind: _bytes_of(tokenizer) for kind, tokenizer in TOKENIZERS.items()}

kinds = st.sampled_from(sorted(TOKENIZERS))
texts = st.text(st.characters(codec="utf-8"), max_size=60)


def _in_chunks(token_bytes: TokenBytes, token_ids: list[int], cuts: list[int]) -> list[str]:
    detokenizer = Detokenizer(token_bytes)
    bounds = [0, *sorted(cut % (len(token_ids) + 1) for cut in cuts), len(token_ids)]
    chunks = [detokenizer.feed(token_ids[start:end]) for start, end in pairwise(bounds)]
    return [*chunks, detokenizer.flush()]


@given(kinds, texts, st.lists(st.integers(0, 1000), max_size=80))
def test_texts_come_back_whole_however_they_are_split(
    kind: str, text: str, cuts: list[int]
) -> None:
    token_ids = TOKENIZERS[kind].encode(text).ids
    # A space at the very beginning and the one that SentencePiece adds are one.
    expected = text.removeprefix(" ") if kind == "sentencepiece" else text
    assert "".join(_in_chunks(TOKEN_BYTES[kind], token_ids, cuts)) == expected
    assert TOKENIZERS[kind].decode(token_ids, skip_special_tokens=True) == expected


@given(st.data(), kinds, st.lists(st.integers(0, 1000), max_size=80))
def test_any_tokens_in_any_split_give_what_all_bytes_at_once_give(
    data: st.DataObject, kind: str, cuts: list[int]
) -> None:
    token_bytes = TOKEN_BYTES[kind]
    token_ids = data.draw(st.lists(st.integers(0, len(token_bytes) - 1), max_size=40))
    expected = token_bytes.text_bytes(token_ids).decode(errors="replace")
    if kind == "sentencepiece":
        expected = expected.removeprefix(" ")
    assert "".join(_in_chunks(token_bytes, token_ids, cuts)) == expected


@given(texts)
def test_no_chunk_of_a_valid_text_shows_a_broken_character(text: str) -> None:
    token_ids = BYTE_LEVEL.encode(text.replace("\ufffd", "")).ids
    chunks = _in_chunks(TOKEN_BYTES["byte level"], token_ids, list(range(len(token_ids))))
    assert not any("\ufffd" in chunk for chunk in chunks)


def test_a_character_appears_with_its_last_byte() -> None:
    detokenizer = Detokenizer(TOKEN_BYTES["byte level"])
    ids = [id_of(BYTE_LEVEL, token) for token in ("ð", "Ł", "ļ", "Ģ")]  # 🚀
    assert [detokenizer.feed([token_id]) for token_id in ids] == ["", "", "", "🚀"]


def test_a_special_token_inside_a_character_shows_nothing() -> None:
    detokenizer = Detokenizer(TOKEN_BYTES["byte level"])
    names = ("ð", "Ł", "<|im_end|>", "ļ", "Ģ")
    ids = [id_of(BYTE_LEVEL, token) for token in names]
    assert detokenizer.feed(ids) + detokenizer.flush() == "🚀"


def test_an_unfinished_character_is_flushed_as_a_replacement() -> None:
    detokenizer = Detokenizer(TOKEN_BYTES["byte level"])
    assert detokenizer.feed([id_of(BYTE_LEVEL, "ð")]) == ""
    assert detokenizer.flush() == "\ufffd"
    assert detokenizer.flush() == ""


@pytest.mark.parametrize(("at_text_start", "expected"), [(True, "hello"), (False, " hello")])
def test_a_continued_text_keeps_its_first_space(at_text_start: bool, expected: str) -> None:
    detokenizer = Detokenizer(TOKEN_BYTES["sentencepiece"], at_text_start=at_text_start)
    ids = SENTENCEPIECE.encode("hello").ids
    assert "".join(detokenizer.feed([token_id]) for token_id in ids) == expected
