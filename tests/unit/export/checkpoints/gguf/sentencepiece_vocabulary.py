"""A SentencePiece-like vocabulary, made up but the same on every run."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tests.unit.export.checkpoints.writers import MetadataInput

_TEXT = (
    "the cat sat on the mat and the other cat that sat there then ran to the three hats "
    "an internation international nation national in on action function return returned "
    "def main print self import from class el niño señor über größe déjà été мир привет "
    "世界 你好 こんにちは 123 1000 2024 aba abab ababab bab aaaa aaa aa hello world hello worlds"
)
_NUM_PIECES = 600


def sentencepiece_tokens() -> tuple[list[str], list[float], list[int]]:
    """Tokens, scores and kinds as llama.cpp's converter writes them: control, bytes, pieces."""
    specials = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = _pieces()
    user_defined = ["<|user|>", "    "]
    tokens = specials + byte_tokens + pieces + user_defined
    scores = [0.0] * (3 + 256) + [-float(i) for i in range(len(pieces))] + [-1000.0, -1000.0]
    kinds = [2, 3, 3] + [6] * 256 + [1] * len(pieces) + [4, 4]
    return tokens, scores, kinds


def sentencepiece_metadata() -> dict[str, MetadataInput]:
    tokens, scores, kinds = sentencepiece_tokens()
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": np.array(scores, dtype="<f4"),
        "tokenizer.ggml.token_type": np.array(kinds, dtype="<i4"),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def _pieces() -> list[str]:
    """The most frequent substrings of some words, then every single character."""
    words = ["▁" + word for word in _TEXT.split()]
    counts = Counter(
        word[start:end]
        for word in words
        for start in range(len(word))
        for end in range(start + 2, len(word) + 1)
    )
    long = sorted(counts, key=lambda piece: (-counts[piece] * len(piece), piece))[:_NUM_PIECES]
    return long + sorted(set("".join(words)))
