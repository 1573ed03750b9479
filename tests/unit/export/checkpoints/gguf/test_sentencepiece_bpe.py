"""The merges of a SentencePiece vocabulary are all ways to cut its pieces, long ones too."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import numpy as np

from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.sentencepiece_bpe import build_sentencepiece_bpe
from export.checkpoints.gguf.vocabulary import DefaultIds, read_vocabulary

_FIXED = ["<unk>", "<s>", "</s>"]


def _merges(pieces: list[str], scores: list[float]) -> list[list[str]]:
    metadata = Metadata(
        Path("x.gguf"),
        {
            "tokenizer.ggml.tokens": [*_FIXED, *pieces],
            "tokenizer.ggml.scores": np.array([0.0] * 3 + scores, np.float32),
            "tokenizer.ggml.token_type": np.array([2, 3, 3] + [1] * len(pieces), np.int32),
        },
    )
    vocabulary = read_vocabulary(metadata, DefaultIds(bos=1, eos=2, unknown=0))
    document = build_sentencepiece_bpe(metadata, vocabulary)
    model = document["model"]
    assert isinstance(model, dict)
    merges: list[list[str]] = json.loads(json.dumps(model["merges"]))
    return merges


def _all_cuts(pieces: list[str], scores: list[float]) -> list[list[str]]:
    known = {*_FIXED, *pieces}
    best_first = sorted(range(len(pieces)), key=lambda i: -scores[i])
    return [
        [piece[:cut], piece[cut:]]
        for piece in (pieces[i] for i in best_first)
        for cut in range(1, len(piece))
        if piece[:cut] in known and piece[cut:] in known
    ]


def test_merges_are_all_cuts_into_two_pieces_best_first() -> None:
    generator = random.Random(3)
    for _ in range(50):
        words = {
            "".join(generator.choices("ab▁", k=generator.choice([1, 2, 3, 4, 5, 9, 30])))
            for _ in range(60)
        }
        pieces = sorted(words)
        scores = [float(-generator.randrange(40)) for _ in pieces]
        assert _merges(pieces, scores) == _all_cuts(pieces, scores)


def test_a_piece_of_a_million_characters_does_not_cost_their_square() -> None:
    pieces = ["a", "aa", "aaa", "a" * 1_000_000, "a" * 999_999]
    start_s = time.process_time()
    merges = _merges(pieces, [-1.0, -2.0, -3.0, -4.0, -5.0])
    # Its square would be hours.
    assert time.process_time() - start_s < 30
    assert [(len(first), len(second)) for first, second in merges] == [
        *((1, 1), (1, 2), (2, 1)),
        *((1, 999_999), (999_999, 1)),
    ]
