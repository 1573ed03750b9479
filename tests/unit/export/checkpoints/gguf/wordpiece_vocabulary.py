"""A WordPiece vocabulary as llama.cpp's converter writes it, made of the pieces of some words."""

from __future__ import annotations

import unicodedata

import numpy as np

from tests.unit.export.checkpoints.writers import MetadataInput

_TEXT = (
    "the cat sat on mat and other then ran to hats international nation in action function "
    "return def main print self import class hello world quick brown fox jumps over lazy dog "
    "nino senor creme grosse uber мир привет же еще κοσμε שלום مرحبا 123 12 2024 go it we ll s t "
    "안녕하세요 camelcasestring snake case"
)
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~世界你好日本語"


def wordpiece_metadata() -> dict[str, MetadataInput]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = unicodedata.normalize("NFD", _TEXT).split()
    beginnings = {word[:end] for word in words for end in (2, 3, len(word))} | set(_CHARACTERS)
    rests = {word[start:] for word in words for start in (2, 3) if word[start:]} | set(_CHARACTERS)
    pieces = [*sorted("▁" + piece for piece in beginnings), *sorted(rests)]
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": special + pieces,
        "tokenizer.ggml.token_type": np.array([3] * 5 + [1] * len(pieces), "<i4"),
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
    }
