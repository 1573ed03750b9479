"""GGUF's "gpt2" tokenizer, byte-level BPE with listed merges, as a tokenizer.json."""

from __future__ import annotations

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.pre_tokenizers import PreTokenizer
from export.checkpoints.gguf.vocabulary import Vocabulary
from export.checkpoints.json_file import one_line
from export.errors import ExportError


def build_byte_level_bpe(
    metadata: Metadata, vocabulary: Vocabulary, pre_tokenizer: PreTokenizer
) -> dict[str, JsonValue]:
    """A tokenizer.json that yields llama.cpp's ids. Raises ExportError for unusable merges."""
    ids = vocabulary.ids()
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": vocabulary.added_tokens(),
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer.to_json(),
        "post_processor": None,
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": pre_tokenizer.ignores_merges,
            "vocab": dict(ids),
            "merges": _read_merges(metadata, ids),
        },
    }


def _read_merges(metadata: Metadata, ids: dict[str, int]) -> list[JsonValue]:
    merges: list[JsonValue] = []
    for merge in metadata.texts("tokenizer.ggml.merges"):
        # The first half is never empty, so that a token may itself begin with a space.
        space = merge.find(" ", 1)
        first, second = merge[:space], merge[space + 1 :]
        if space < 0 or first not in ids or second not in ids or first + second not in ids:
            raise ExportError(
                f"{metadata.path}: the merge {one_line(merge)!r} does not join two tokens into one"
            )
        merges.append([first, second])
    return merges
