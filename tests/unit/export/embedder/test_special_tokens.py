"""The tokens around a text are in the tokenizer.json that a package gets, wherever they were."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer

from export.checkpoints.base import TokenizerFiles
from export.embedder.special_tokens import complete_tokenizer
from export.errors import ExportError
from tests.tiny_embedders import END, byte_tokenizer


def _files(
    *, closes: bool = False, adds_bos: bool = False, closing: int | None = None
) -> TokenizerFiles:
    return TokenizerFiles(
        tokenizer_json=json.dumps(byte_tokenizer(closes=closes)).encode(),
        chat_template=None,
        bos_token_id=END,
        eos_token_ids=(END,),
        pad_token_id=None,
        add_bos_token=adds_bos,
        closing_token_id=closing,
    )


def _ids(
    files: TokenizerFiles, text: str, pair: str | None = None, *, lower_case: bool = False
) -> list[int]:
    tokenizer = Tokenizer.from_buffer(complete_tokenizer(files, lower_case=lower_case))
    ids: list[int] = tokenizer.encode(text, pair).ids
    return ids


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (_files(), [97]),
        (_files(closes=True), [97, END]),
        (_files(closing=END), [97, END]),
        (_files(closes=True, closing=END), [97, END]),
        (_files(adds_bos=True), [END, 97]),
        (_files(adds_bos=True, closing=END), [END, 97, END]),
        (_files(adds_bos=True, closes=True), [END, 97, END]),
        (_files(closing=98), [97, 98]),
    ],
)
def test_a_text_begins_and_ends_as_the_files_say(
    files: TokenizerFiles, expected: list[int]
) -> None:
    assert _ids(files, "a") == expected


def test_a_pair_keeps_the_tokenizers_own_form() -> None:
    assert _ids(_files(closes=True), "a", "b") == [97, 98, END]
    assert _ids(_files(adds_bos=True), "a", "b") == [END, 97, END, 98]


def test_texts_are_lower_cased_where_the_files_say_so() -> None:
    assert _ids(_files(), "AB", lower_case=True) == [97, 98]


def test_what_cannot_be_used_is_refused() -> None:
    broken = TokenizerFiles(b"{}", None, None, (), None, add_bos_token=False)
    with pytest.raises(ExportError, match=r"its tokenizer\.json cannot be used"):
        complete_tokenizer(broken, lower_case=False)
    unknown = _files(closing=9999)
    with pytest.raises(ExportError, match="lacks its own special tokens"):
        complete_tokenizer(unknown, lower_case=False)
