"""Which tokens may come next, a bit for each, and what that does to logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.int32]
"""One bit for each token, the lowest first, int32 `[ceil(vocab_size / 32)]`; a set bit allows."""


def new_bits(vocab_size: int) -> Bits:
    return np.zeros((vocab_size + 31) // 32, np.int32)


def allow(bits: Bits, token_id: int) -> None:
    """Sets the bit of a token."""
    bits.view(np.uint8)[token_id // 8] |= 1 << token_id % 8


def is_allowed(bits: Bits, token_id: int) -> bool:
    """Whether the bit of a token is set."""
    return bool(bits.view(np.uint8)[token_id // 8] >> token_id % 8 & 1)


def single_token(bits: Bits) -> int | None:
    """The only token that is allowed, None if there are several."""
    # Counting takes a tenth of the time that looking for the places does.
    if np.count_nonzero(bits) != 1:
        return None
    words = bits.view(np.uint32)
    index = int(words.argmax())
    word = int(words[index])
    return index * 32 + word.bit_length() - 1 if word.bit_count() == 1 else None


def mask_logits(logits: NDArray[np.float32], bits: Bits) -> None:
    """Sets the logits `[vocab_size]` of tokens that are not allowed to minus infinity."""
    forbidden = np.unpackbits(~bits.view(np.uint8), count=len(logits), bitorder="little")
    np.copyto(logits, -np.inf, where=forbidden.view(np.bool_))
