"""Writes pre_tokenizer_tokens.json: llama.cpp's token ids with every pre-tokenizer that is read.

    python tests/golden/make_pre_tokenizer_tokens.py

needs the PyPI package xllamacpp. The vocabulary is made to tell cuts apart: its merges were learned
from uncut texts, so that they go over words, digits, symbols and space wherever they are let.
Run it from the repository's root with the root on PYTHONPATH.
"""

from __future__ import annotations

import itertools
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

from export.checkpoints.gguf.pre_tokenizers import PRE_TOKENIZERS
from tests.golden.make_smollm2_tokens import (
    TEXTS,
    Group,
    add_to_group,
    random_texts,
    tiny_gguf,
    tokenize,
    write_json,
)
from tests.unit.export.checkpoints.gguf.byte_vocabulary import byte_characters, byte_metadata

NUM_MERGES = 1500


def learn_merges(texts: list[str], number: int) -> list[str]:
    """The most frequent pair of neighbours, joined, again and again."""
    characters = byte_characters()
    words = [[characters[byte] for byte in text.encode()] for text in texts]
    merges: list[str] = []
    while len(merges) < number:
        counts = Counter(pair for word in words for pair in itertools.pairwise(word))
        (first, second), _ = min(counts.items(), key=lambda item: (-item[1], item[0]))
        merges.append(f"{first} {second}")
        words = [join(word, first, second) for word in words]
    return merges


def join(word: list[str], first: str, second: str) -> list[str]:
    joined: list[str] = []
    i = 0
    while i < len(word):
        if word[i : i + 2] == [first, second]:
            joined.append(first + second)
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return joined


def drop_unassigned(text: str) -> str:
    """What no version of Unicode names, or only the latest, is classified by each as it likes."""
    return "".join(c for c in text if unicodedata.category(c) != "Cn")


def main() -> None:
    texts = [*TEXTS, *map(drop_unassigned, random_texts(40, seed=2))]
    # A run of one letter would take a merge for each of its lengths.
    merges = learn_merges([text for text in texts if len(set(text)) > 4], NUM_MERGES)
    groups: list[Group] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        for name in PRE_TOKENIZERS:
            tiny_gguf(path, byte_metadata(merges) | {"tokenizer.ggml.pre": name})
            add_to_group(groups, name, tokenize(path, texts))
    content = {"merges": merges, "texts": texts, "groups": groups}
    write_json("pre_tokenizer_tokens.json", content)


if __name__ == "__main__":
    main()
