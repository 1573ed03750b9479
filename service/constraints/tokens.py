"""A model's vocabulary as llguidance takes it: the bytes of each token, checked before use.

llguidance can read a tokenizer.json itself, but takes some byte-level vocabularies for ones with
byte fallback and then decodes most tokens wrongly, so it is given the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import llguidance

from service.errors import PackageCorrupt
from service.text.token_bytes import TokenBytes

Encode: TypeAlias = Callable[[str], list[int]]
"""The tokens of a text."""

_GUARD = "\x02"
"""A character that no token holds beside others."""

_SAMPLES = (
    'The quick brown fox, 12345.67 – "quoted"\\n',
    '{"name": "Zoë", "tags": ["a", null, true, -1.5e10]}\n\t  \r\n',
    "Grüße aus 北京 и Київ, नमस्ते 🦊👩‍👩‍👧 \u00a0\u2028",
    "def f(x):\n    return x  # 100%\n\n\n",
)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What llguidance's TokenizerWrapper asks for."""

    tokens: Sequence[bytes]
    special_token_ids: Sequence[int]
    eos_token_id: int
    encode: Encode
    bos_token_id: int | None = None

    def __call__(self, text: bytes | str) -> list[int]:
        return self.encode(text if isinstance(text, str) else text.decode(errors="replace"))


def build_tokenizer(
    token_bytes: TokenBytes,
    encode: Encode,
    *,
    vocab_size: int,
    special_ids: Collection[int],
    eos_ids: Sequence[int],
) -> llguidance.LLTokenizer:
    """The tokenizer for a model with `vocab_size` logits, whose outputs end with `eos_ids`.

    `encode` gives the tokens of plain text; `special_ids` never occur in an output. Raises
    PackageCorrupt if the bytes of tokens are not those of the texts they come from: constraints
    built on them would not hold.
    """
    encode = _without_first_space(token_bytes, encode)
    check_bytes(token_bytes, encode)
    if not eos_ids:
        raise PackageCorrupt(
            "The model has no token that ends an output, so no output can be held to a form."
        )
    padding = [b""] * (vocab_size - len(token_bytes.pieces))
    vocabulary = _Vocabulary(
        tokens=[*token_bytes.pieces, *padding],
        special_token_ids=sorted({*special_ids, *eos_ids}),
        eos_token_id=eos_ids[0],
        encode=encode,
    )
    wrapper = llguidance.TokenizerWrapper(vocabulary)
    return llguidance.LLTokenizer(wrapper, eos_token=[*eos_ids])


def check_bytes(token_bytes: TokenBytes, encode: Encode) -> None:
    """Raises PackageCorrupt if the tokens of a text do not spell it."""
    for sample in _SAMPLES:
        spelled = token_bytes.text_bytes(encode(sample)).decode(errors="replace")
        if spelled != sample:
            raise PackageCorrupt(
                "The bytes of the model's tokens cannot be told for sure, so no output can be "
                "held to a form."
            )


def _without_first_space(token_bytes: TokenBytes, encode: Encode) -> Encode:
    """Some tokenizers put a space before every text. What is forced within an output has none."""
    if token_bytes.text_bytes(encode("a")) == b"a":
        return encode
    guard = encode(_GUARD)

    def encode_within(text: str) -> list[int]:
        token_ids = encode(_GUARD + text)
        return token_ids[len(guard) :] if token_ids[: len(guard)] == guard else encode(text)

    return encode_within
