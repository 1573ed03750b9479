"""Prompts of a given length, cut from the benchmark's fixed English text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

ENGLISH = Path(__file__).parent / "data" / "english.txt"

# Prime, so that windows of any length walk over the whole text before a start comes back.
_STRIDE = 61


def token_windows(token_ids: Sequence[int], length: int) -> Iterator[list[int]]:
    """Endless windows of `length` token ids, no two neighbours beginning alike.

    No window is the beginning of another, so that no prefix cache can help. Raises `ValueError`
    if the text is shorter than a window.
    """
    if len(token_ids) <= length:
        raise ValueError(f"the text has {len(token_ids)} tokens, a prompt needs {length}")
    start = 0
    while True:
        yield list(token_ids[start : start + length])
        start = (start + _STRIDE) % (len(token_ids) - length)


def text_windows(text: str, num_words: int) -> Iterator[str]:
    """Endless stretches of `num_words` whole words, for a server that is sent text.

    A word is about 1.22 tokens here; the usage in a `LoadReport` says how many they were.
    """
    words = text.split()
    if len(words) <= num_words:
        raise ValueError(f"the text has {len(words)} words, a prompt needs {num_words}")
    start = 0
    while True:
        yield " ".join(words[start : start + num_words])
        start = (start + _STRIDE) % (len(words) - num_words)


def sentences(text: str) -> Iterator[str]:
    """Endless sentences of the text in their order, of all lengths from three words on."""
    found = [" ".join(part.split()) for part in re.split(r"(?<=[.?!])[\"”]?\s+", text)]
    return cycle([sentence for sentence in found if len(sentence.split()) >= 3])


def fresh_prompts(num_words: int, num_prompts: int) -> list[str]:
    """The first `num_prompts` windows of the benchmark's text."""
    return list(islice(text_windows(ENGLISH.read_text("utf-8"), num_words), num_prompts))
