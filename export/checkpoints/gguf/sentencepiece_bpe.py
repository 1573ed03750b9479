"""GGUF's "llama" tokenizer, SentencePiece's BPE, as a tokenizer.json.

SentencePiece keeps no merges: it joins the two neighbours whose joined piece has the best score,
again and again. The same pieces come out of a list of merges that holds every way to cut a piece
into two pieces, best score first; this is also how transformers converts such models.
"""

from __future__ import annotations

import math
from bisect import bisect_left

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.vocabulary import Vocabulary

_SPACE = "▁"


def build_sentencepiece_bpe(metadata: Metadata, vocabulary: Vocabulary) -> dict[str, JsonValue]:
    """A tokenizer.json that yields llama.cpp's ids. Raises ExportError without usable scores."""
    ids = vocabulary.ids()
    adds_space = metadata.flag("tokenizer.ggml.add_space_prefix", True)
    unknown = vocabulary.unknown_token_id
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": vocabulary.added_tokens(),
        "normalizer": _normalizer(adds_space),
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": _decoder(adds_space),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None if unknown is None else vocabulary.tokens[unknown],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": dict(ids),
            "merges": _merges(ids, _read_scores(metadata, len(ids))),
        },
    }


def _normalizer(adds_space: bool) -> JsonValue:
    """Applied to each stretch of text between special tokens, as in llama.cpp."""
    prepend: list[JsonValue] = [{"type": "Prepend", "prepend": _SPACE}] if adds_space else []
    replace: JsonValue = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    return {"type": "Sequence", "normalizers": [*prepend, replace]}


def _decoder(adds_space: bool) -> JsonValue:
    strip: list[JsonValue] = (
        [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if adds_space else []
    )
    return {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            *strip,
        ],
    }


def _read_scores(metadata: Metadata, num_tokens: int) -> list[float]:
    scores = [float(s) for s in metadata.numbers("tokenizer.ggml.scores", num_tokens).tolist()]
    if any(math.isnan(score) for score in scores):
        raise metadata.error("tokenizer.ggml.scores", "holds a score that is not a number")
    return scores


def _merges(ids: dict[str, int], scores: list[float]) -> list[JsonValue]:
    merges: list[JsonValue] = []
    # Only where both parts are as long as some piece: a long token has next to no such place, and
    # to try all of them would take the square of its length.
    lengths = {len(token) for token in ids} - {0}
    cuts = sorted(lengths)
    for token in sorted(ids, key=lambda token: -scores[ids[token]]):
        length = len(token)
        for cut in cuts[: bisect_left(cuts, length)]:
            if length - cut not in lengths:
                continue
            first, second = token[:cut], token[cut:]
            if first in ids and second in ids:
                merges.append([first, second])
    return merges
