"""The exact bytes that every token stands for.

Tokens are pieces of bytes, not of text: one character may be spread over several tokens. What
`tokenizers` gives for a single token loses that, so the bytes are read from its `tokenizer.json`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.errors import PackageCorrupt
from service.text.tokenizer_json import Decoder, TokenizerJson

_LARGEST_ID = (1 << 24) - 1
"""There is a place for every id up to the last: far more of them would only take memory."""

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class TokenBytes:
    """The bytes of each token, by id; ids that the vocabulary leaves out have none.

    `special_ids` never show in a text. `strips_first_space`: at the beginning of a text one
    leading space is the tokenizer's own and is dropped.
    """

    pieces: tuple[bytes, ...]
    special_ids: frozenset[int]
    strips_first_space: bool

    def __len__(self) -> int:
        return len(self.pieces)

    def showing(self, token_ids: frozenset[int]) -> TokenBytes:
        """The same, with these special tokens shown as they are written."""
        return replace(self, special_ids=self.special_ids - token_ids) if token_ids else self

    def written(self, token_id: int) -> bytes:
        """What a token is written as, a special one too; b"" for an unknown id."""
        return self.pieces[token_id] if token_id < len(self.pieces) else b""

    def text_bytes(self, token_ids: Sequence[int]) -> bytes:
        """The bytes that these tokens show, special and unknown ids left out."""
        pieces, special_ids, size = self.pieces, self.special_ids, len(self.pieces)
        return b"".join(
            pieces[token_id]
            for token_id in token_ids
            if token_id < size and token_id not in special_ids
        )


def read_token_bytes(tokenizer: TokenizerJson) -> TokenBytes:
    """Raises PackageCorrupt for a kind of decoder whose bytes are not known, and for ids beyond any
    model's."""
    to_bytes, strips_first_space = _reader(tokenizer.decoder)
    vocab = tokenizer.model.vocab
    ids = (
        vocab
        if isinstance(vocab, dict)
        else {token: token_id for token_id, (token, _) in enumerate(vocab)}
    )
    last_id = max(
        max(ids.values(), default=-1), max((t.id for t in tokenizer.added_tokens), default=-1)
    )
    if last_id > _LARGEST_ID:
        raise PackageCorrupt(
            f"The package's tokenizer.json has the token id {last_id}, which no model has."
        )
    pieces = [b""] * (last_id + 1)
    for token, token_id in ids.items():
        pieces[token_id] = to_bytes(token)
    for added in tokenizer.added_tokens:
        pieces[added.id] = added.content.encode()
    return TokenBytes(
        pieces=tuple(pieces),
        special_ids=frozenset(added.id for added in tokenizer.added_tokens if added.special),
        strips_first_space=strips_first_space,
    )


def _reader(decoder: Decoder | None) -> tuple[Callable[[str], bytes], bool]:
    """How one token becomes bytes, and whether a text's first space is dropped."""
    steps = decoder.steps() if decoder is not None else ()
    kinds = [step.type for step in steps]
    if kinds == ["ByteLevel"]:
        return _ByteLevel().read, False
    if kinds == ["Metaspace"]:
        (step,) = steps
        return _Pieces(((step.replacement, " "),)).read, step.prepend_scheme != "never"
    replacements = []
    strips = False
    for step in steps:
        if step.type == "Replace" and step.pattern.string is not None:
            replacements.append((step.pattern.string, step.content))
        elif step.type == "Strip" and (step.content, step.start, step.stop) == (" ", 1, 0):
            strips = True
        elif step.type not in ("ByteFallback", "Fuse"):
            kinds.clear()
    if not replacements or not kinds:
        raise PackageCorrupt(
            "The package's tokenizer.json has a decoder that Retort does not know: "
            f"{', '.join(step.type for step in steps) or 'none'}."
        )
    return _Pieces(tuple(replacements), has_byte_tokens="ByteFallback" in kinds).read, strips


class _ByteLevel:
    """Tokens spelled in GPT-2's alphabet, in which every byte is one printable character.

    Source: `bytes_to_unicode` of GPT-2's encoder: printable Latin-1 stands for itself, the other
    bytes follow in order from U+0100.
    """

    def __init__(self) -> None:
        printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
        others = [byte for byte in range(256) if byte not in printable]
        # A printable code point that stands for no byte must not pass for one.
        self._table: dict[int, int | str] = dict.fromkeys(others, "\uffff")
        self._table.update({0x100 + index: byte for index, byte in enumerate(others)})

    def read(self, token: str) -> bytes:
        try:
            return token.translate(self._table).encode("latin-1")
        except UnicodeEncodeError:
            # As `tokenizers` does: a token outside the alphabet is its own text.
            return token.encode()


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Tokens spelled as text, with a mark for the space and `<0xNN>` for single bytes."""

    replacements: tuple[tuple[str, str], ...]
    has_byte_tokens: bool = False

    def read(self, token: str) -> bytes:
        if self.has_byte_tokens and (match := _BYTE_TOKEN.fullmatch(token)):
            return bytes.fromhex(match[1])
        for old, new in self.replacements:
            token = token.replace(old, new)
        return token.encode()
