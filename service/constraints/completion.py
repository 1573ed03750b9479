"""The rest of JSON that was cut: what closes its strings, arrays and objects.

Not the shortest rest that there is: tokens of one character, the closing ones first. Where that
leads nowhere, as in a pattern that can repeat itself, others are tried at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import llguidance
import numpy as np

from service.engine.bitmask import Bits, new_bits
from service.engine.constraint import ConstraintError

MAX_TOKENS = 2048
"""Of a rest. What needs more was cut far too early to be called an answer."""

_NUM_ATTEMPTS = 5

_CLOSING = b"}],:"
_BEGINNING = b'0ntf"[{123456789-.eE+'
_FILLING = b"a0A-:.@/ " + bytes(byte for byte in range(0x21, 0x7F) if byte not in b'a0A-:.@/"\\')
_ESCAPED = b'n"\\'


def completion(
    matcher: llguidance.LLMatcher,
    tokenizer: llguidance.LLTokenizer,
    text: bytes,
    text_ends: Sequence[str] = (),
) -> Sequence[int]:
    """Tokens with which the JSON `text`, after which `matcher` stands, is complete.

    `text_ends` are what ends texts in it that are no JSON.

    Raises ConstraintError if they cannot be found, or are more than MAX_TOKENS.
    """
    tokens = _single_tokens(tokenizer)
    for attempt in range(_NUM_ATTEMPTS):
        walk = _Walk(matcher.deep_copy(), tokenizer, tokens, text, text_ends, attempt)
        if walk.ends():
            return walk.token_ids
    raise ConstraintError(f"no {MAX_TOKENS} tokens were found that complete the answer")


class _Walk:
    """One attempt. The first two always take the same way, the others that of their number.

    The second takes the place for the opposite of what the quotes say: those of a text before
    calls need not come in pairs.
    """

    def __init__(
        self,
        matcher: llguidance.LLMatcher,
        tokenizer: llguidance.LLTokenizer,
        tokens: dict[int, int],
        text: bytes,
        text_ends: Sequence[str],
        attempt: int,
    ) -> None:
        self.token_ids: list[int] = []
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._text_ends = text_ends
        self._place = _Place()
        self._place.feed(text)
        self._place.is_in_string ^= attempt == 1
        self._random = Random(attempt) if attempt > 1 else None
        self._bits = new_bits(tokenizer.vocab_size)

    def ends(self) -> bool:
        """Goes on until the JSON is complete; False if that is not to be."""
        while not self._matcher.is_accepting():
            following = self._forced() or self._end_of_text() or [self._chosen()]
            if self._matcher.is_error() or len(self.token_ids) + len(following) > MAX_TOKENS:
                return False
            for token_id in following:
                self._matcher.consume_token(token_id)
                self._place.feed(self._tokenizer.decode_bytes([token_id]))
            self.token_ids += following
        return not self._matcher.is_error()

    def _forced(self) -> list[int]:
        forced = self._matcher.compute_ff_tokens()
        return forced[: self._matcher.validate_tokens(forced)] if forced else []

    def _end_of_text(self) -> list[int]:
        """What ends a text between tags, where that is what there is: where it may come twice, it
        is part of a text."""
        for text in self._text_ends if not self._place.is_in_string else ():
            ending = self._tokenizer.tokenize_str(text)
            num_valid = self._matcher.validate_tokens([*ending, *ending])
            if len(ending) <= num_valid < 2 * len(ending):
                return ending
        return []

    def _chosen(self) -> int:
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        for byte in self._order():
            token_id = self._tokens.get(byte)
            if token_id is not None and _is_set(self._bits, token_id):
                return token_id
        return self._first_but_a_line()

    def _first_but_a_line(self) -> int:
        """Some calls are separated by lines, and what begins another one leads to no end."""
        first = _first_set(self._bits)
        if self._tokenizer.decode_bytes([first]) == b"\n":
            self._bits[first // 32] &= ~np.int32(1 << first % 32)
        return _first_set(self._bits) if self._bits.any() else first

    def _order(self) -> bytes:
        """The characters to try, those that close something first."""
        if self._place.is_escaped:
            return _ESCAPED
        if self._place.is_in_string:
            return b'"' + self._shuffled(_FILLING)
        return _CLOSING + self._shuffled(_BEGINNING)

    def _shuffled(self, order: bytes) -> bytes:
        if self._random is None:
            return order
        return bytes(self._random.sample(order, len(order)))


class _Place:
    """Whether the end of a JSON text is within a string, and behind a backslash there."""

    def __init__(self) -> None:
        self.is_in_string = False
        self.is_escaped = False

    def feed(self, text: bytes) -> None:
        for byte in text:
            if self.is_escaped:
                self.is_escaped = False
            elif byte == ord('"'):
                self.is_in_string = not self.is_in_string
            else:
                self.is_escaped = self.is_in_string and byte == ord("\\")


def _single_tokens(tokenizer: llguidance.LLTokenizer) -> dict[int, int]:
    """The tokens of single ASCII characters, by the character."""
    spelled = {byte: tokenizer.greedy_tokenize(chr(byte)) for byte in range(0x20, 0x7F)}
    return {
        byte: token_ids[0]
        for byte, token_ids in spelled.items()
        if tokenizer.decode_bytes(token_ids) == bytes([byte]) and len(token_ids) == 1
    }


def _is_set(bits: Bits, token_id: int) -> bool:
    return bool(bits[token_id // 32] >> (token_id % 32) & 1)


def _first_set(bits: Bits) -> int:
    word = int(bits.nonzero()[0][0]) if bits.any() else 0
    value = int(bits[word]) & 0xFFFFFFFF
    return word * 32 + (value & -value).bit_length() - 1 if value else 0
