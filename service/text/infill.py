"""Prompts that ask for the text between two others, in the tokens each model learned for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InfillTokens:
    """`before` the prefix, `between` the two texts, `behind` the last; where `suffix_first`, the
    suffix comes before the prefix."""

    before: str
    between: str
    behind: str
    suffix_first: bool = False


KNOWN = (
    InfillTokens("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, CodeGemma
    InfillTokens("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, SantaCoder
    InfillTokens("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # Refact, older SantaCoder
    InfillTokens("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder
    InfillTokens("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
    InfillTokens("[SUFFIX]", "[PREFIX]", "", suffix_first=True),  # Codestral
)


def find_infill_tokens(has_token: Callable[[str], bool]) -> InfillTokens | None:
    """The first of `KNOWN` whose tokens are all in a vocabulary, None for most models."""
    return next(
        (
            known
            for known in KNOWN
            if all(map(has_token, filter(None, (known.before, known.between, known.behind))))
        ),
        None,
    )
