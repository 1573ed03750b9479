"""Texts to the sequences an encoder reads: special tokens included, pairs told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from service.errors import RequestError
from service.text.library import content_of, encoding, load


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the encoder reads in one go. The tokens from `second_from` on belong to the second
    text of a pair, which some models are told by another token type."""

    token_ids: list[int]
    second_from: int

    def __len__(self) -> int:
        return len(self.token_ids)


class SequenceTokenizer:
    """A model's tokenizer with its post-processor. Safe to use from several threads at once."""

    def __init__(self, source: Path | bytes) -> None:
        """Reads a `tokenizer.json`, by path or itself. Raises PackageCorrupt if it is none."""
        self._tokenizer = load(content_of(source))

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, added tokens included."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def fits(self, vocab_size: int) -> bool:
        """Whether a model of that many tokens has all those that this one gives."""
        return self.vocab_size <= vocab_size

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Each text as a sequence. Raises RequestError for text that is not Unicode."""
        return self._encode_batch(list(texts))

    def encode_pairs(self, first: str, seconds: Sequence[str]) -> list[Tokens]:
        """`first` with each of `seconds`. Raises RequestError for text that is not Unicode."""
        return self._encode_batch([(first, second) for second in seconds])

    def encode_cut(self, text: str, max_tokens: int) -> Tokens:
        """The text's beginning: as many tokens as `max_tokens` hold beside the special ones."""
        (bare,) = self._bare([text])
        bare.truncate(max(0, max_tokens - self._tokenizer.num_special_tokens_to_add(False)))
        return _tokens(self._tokenizer.post_process(bare))

    def encode_cut_pair(self, first: str, second: str, max_tokens: int) -> Tokens:
        """The pair with the longer of the two cut until both fit, or both to the same length."""
        one, other = self._bare([first, second])
        room = max(0, max_tokens - self._tokenizer.num_special_tokens_to_add(True))
        lengths = _cut_lengths(len(one.ids), len(other.ids), room)
        one.truncate(lengths[0])
        other.truncate(lengths[1])
        return _tokens(self._tokenizer.post_process(one, other))

    def encode_bare(self, text: str) -> list[int]:
        """The text's tokens without the special ones. Raises RequestError as `encode`."""
        token_ids: list[int] = self._bare([text])[0].ids
        return token_ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, special ones as they are written, unknown ids left out."""
        text: str = self._tokenizer.decode(list(token_ids), skip_special_tokens=False)
        return text

    def token(self, token_id: int) -> str:
        """A token as the vocabulary spells it, "" for an unknown id."""
        return self._tokenizer.id_to_token(token_id) or ""

    def _encode_batch(self, inputs: list[str] | list[tuple[str, str]]) -> list[Tokens]:
        try:
            with encoding():
                return [_tokens(each) for each in self._tokenizer.encode_batch(inputs)]
        except (UnicodeEncodeError, TypeError):
            raise _not_unicode() from None

    def _bare(self, texts: list[str]) -> list[tokenizers.Encoding]:
        try:
            with encoding():
                encodings: list[tokenizers.Encoding] = self._tokenizer.encode_batch(
                    texts, add_special_tokens=False
                )
        except (UnicodeEncodeError, TypeError):
            raise _not_unicode() from None
        return encodings


def _tokens(encoded: tokenizers.Encoding) -> Tokens:
    """Some tokenizers call both texts 0: for such models all tokens are of the first type."""
    type_ids = encoded.type_ids
    return Tokens(encoded.ids, type_ids.index(1) if 1 in type_ids else len(type_ids))


def _cut_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of both stays: the shorter one whole as long as it takes at most half the room."""
    if first + second <= room:
        return first, second
    if first <= room // 2:
        return first, room - first
    if second <= room // 2:
        return room - second, second
    return room - room // 2, room // 2


def _not_unicode() -> RequestError:
    return RequestError(
        "The text contains a lone surrogate, which no character is.", code="invalid_unicode"
    )
