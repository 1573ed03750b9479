"""The text that packages are verified with, as token ids."""

from __future__ import annotations

from typing import Protocol

from tokenizers import Tokenizer

from export.errors import ExportError
from export.tokenizing import encode

NUM_DECODED = 8
"""Tokens that are decoded greedily behind the prompt."""

_PROMPT = (
    "A retort is a glass vessel with a long neck, used since the days of the alchemists to "
    "distil liquids. It is heated from below, and what rises in it is led down the neck, where it "
    "cools and drips into a second vessel. Whoever wants pure water from a muddy river can use "
    "one: the mud stays behind, and so does the salt. The first ones were made of clay, and they "
    "leaked; later ones were blown from a single piece of glass, so that nothing could escape at "
    "a joint"
)


class Limits(Protocol):
    """What a decoder can read."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def context_length(self) -> int: ...


def prompt_ids(tokenizer: Tokenizer, spec: Limits) -> list[int]:
    """The prompt, the same for all, short enough to leave room for `NUM_DECODED` tokens.

    Raises ExportError for a tokenizer that cannot be used, or not with these weights, and
    for a context too short to verify anything in.
    """
    ids = encode(tokenizer, _PROMPT)
    if not ids:
        raise ExportError("its tokenizer.json cannot be used: it makes no tokens of plain English")
    largest = max(ids)
    if largest >= spec.vocab_size:
        raise ExportError(
            f"the tokenizer does not belong to the weights: it gives the token id {largest}, and "
            f"there are {spec.vocab_size}"
        )
    if spec.context_length <= NUM_DECODED:
        raise ExportError(
            f"a context of {spec.context_length} tokens is not supported; supported are "
            f"{NUM_DECODED + 1} and more"
        )
    return ids[: spec.context_length - NUM_DECODED]
