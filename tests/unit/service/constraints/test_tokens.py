from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from service.constraints.tokens import build_tokenizer, check_bytes
from service.errors import PackageCorrupt
from service.store.packages import Package
from service.text.tokenizer import Tokenizer
from tests.unit.service.constraints.tokenizers import constraint_tokenizer, saved, small_tokenizers
from tests.unit.service.text.samples import byte_level

KINDS = ("byte-level", "sentencepiece", "sentencepiece, first only")


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_of_each_kind_pass_the_check(kind: str, tmp_path: Path) -> None:
    tokenizer, end = small_tokenizers(tmp_path)[kind]
    ready = constraint_tokenizer(tokenizer, end, vocab_size=tokenizer.vocab_size + 13)
    assert ready.vocab_size == tokenizer.vocab_size + 13
    assert ready.eos_token == end
    text = '{"a": "Zoë 🦊"}'
    assert ready.decode_str(tokenizer.encode_plain(text)).strip() == text


def test_the_bytes_of_a_converted_tokenizer_pass_the_check(smollm2_package: Package) -> None:
    """The shape for which llguidance's own reader takes two tokens of three wrongly."""
    tokenizer = Tokenizer(smollm2_package.folder / "tokenizer.json")
    (end,) = tokenizer.encode("<|im_end|>", add_bos=False)
    ready = constraint_tokenizer(tokenizer, end)
    text = "New York\n  Ünïcödé 北京"
    assert ready.decode_bytes(tokenizer.encode_plain(text)) == text.encode()


def test_wrong_bytes_are_found_out(tmp_path: Path) -> None:
    """Taken for spelled as they are written, byte-level tokens have other bytes."""
    tokenizer = saved(byte_level(), tmp_path)
    pieces = tuple(piece.replace(b" ", "Ġ".encode()) for piece in tokenizer.token_bytes.pieces)
    wrong = replace(tokenizer.token_bytes, pieces=pieces)
    with pytest.raises(PackageCorrupt, match="bytes"):
        check_bytes(wrong, tokenizer.encode_plain)


def test_a_model_without_an_end_is_refused(tmp_path: Path) -> None:
    tokenizer = saved(byte_level(), tmp_path)
    with pytest.raises(PackageCorrupt, match="ends an output"):
        build_tokenizer(
            tokenizer.token_bytes,
            tokenizer.encode_plain,
            vocab_size=tokenizer.vocab_size,
            special_ids=(),
            eos_ids=(),
        )
