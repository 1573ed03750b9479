"""Tokenizers of each kind, ready for constraints, with random walks through their masks."""

from __future__ import annotations

import random
from pathlib import Path

import llguidance
import numpy as np
import tokenizers

from service.constraints.tokens import build_tokenizer
from service.engine.bitmask import new_bits
from service.engine.constraint import Constraint
from service.text.tokenizer import Tokenizer
from tests.unit.service.text.samples import byte_level, id_of, sentencepiece

MAX_TOKENS = 400


def saved(tokenizer: tokenizers.Tokenizer, folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return Tokenizer(path)


def small_tokenizers(folder: Path) -> dict[str, tuple[Tokenizer, int]]:
    """Each with the token that ends an output."""
    kinds = {
        "byte-level": (byte_level(), "<|im_end|>"),
        "sentencepiece": (sentencepiece(first_only=False), "</s>"),
        "sentencepiece, first only": (sentencepiece(first_only=True), "</s>"),
    }
    found = {}
    for name, (tokenizer, end) in kinds.items():
        place = folder / name
        place.mkdir()
        found[name] = saved(tokenizer, place), id_of(tokenizer, end)
    return found


def constraint_tokenizer(
    tokenizer: Tokenizer, end: int, vocab_size: int | None = None
) -> llguidance.LLTokenizer:
    return build_tokenizer(
        tokenizer.token_bytes,
        tokenizer.encode_plain,
        vocab_size=vocab_size or tokenizer.vocab_size,
        special_ids=tokenizer.control_ids,
        eos_ids=(end,),
    )


def walk(constraint: Constraint, vocab_size: int, end: int, seed: int) -> list[int] | None:
    """The tokens of an output drawn at random among those allowed, None if it does not end."""
    rng = random.Random(seed)
    bits, token_ids = new_bits(vocab_size), list[int]()
    while not constraint.is_finished and len(token_ids) < MAX_TOKENS:
        assert constraint.fill(bits)
        allowed = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
        assert len(allowed)
        token_id = end if end in allowed else int(rng.choice(allowed))
        if token_id == end:
            return token_ids
        constraint.consume(token_id)
        token_ids.append(token_id)
    return token_ids if constraint.is_finished else None
