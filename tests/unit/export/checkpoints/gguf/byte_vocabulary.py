"""A byte-level vocabulary made of the bytes and what merges join them to."""

from __future__ import annotations

import numpy as np

from tests.unit.export.checkpoints.writers import MetadataInput

SPECIAL = ("<tiny end>", "<tiny user>")


def byte_characters() -> list[str]:
    """The character that stands for each byte in GPT-2's vocabularies."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def byte_metadata(merges: list[str]) -> dict[str, MetadataInput]:
    joined = (merge.replace(" ", "") for merge in merges)
    tokens = [*dict.fromkeys([*byte_characters(), *joined]), *SPECIAL]
    kinds = [1] * (len(tokens) - 2) + [3, 4]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.token_type": np.array(kinds, "<i4"),
        "tokenizer.ggml.bos_token_id": len(tokens) - 2,
        "tokenizer.ggml.eos_token_id": len(tokens) - 2,
    }
