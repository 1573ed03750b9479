"""Panics of the tokenizers library, which is written in Rust, are errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.encoder.tokens import SequenceTokenizer
from service.errors import PackageCorrupt
from tests.unit.service.text.samples import byte_level, panicking, saved


def test_a_panic_at_a_text_is_an_error(tmp_path: Path) -> None:
    tokenizer = SequenceTokenizer(saved(panicking(), tmp_path))
    for encode in (tokenizer.encode_bare, lambda text: tokenizer.encode([text])):
        with pytest.raises(PackageCorrupt, match="fails at a text: the tokenizers library"):
            encode("word " * 200)


def test_a_panic_at_loading_is_an_error() -> None:
    document = json.loads(byte_level().to_str())
    document["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": ""}
    with pytest.raises(PackageCorrupt, match="cannot be loaded: the tokenizers library broke down"):
        SequenceTokenizer(json.dumps(document).encode())
