"""GGUF's "bert" tokenizer, WordPiece, as a tokenizer.json.

GGUF marks the beginning of a word by "▁" and leaves the rest of it bare; BERT's own files do the
reverse, with "##" before what goes on.
"""

from __future__ import annotations

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.vocabulary import Kind, Vocabulary
from export.checkpoints.json_file import one_line
from export.errors import ExportError

_BEGINNING = "▁"
_CONTINUATION = "##"
_LONGEST_WORD = 1_000_000
"""Characters: llama.cpp has no limit, where BERT takes a word of more than 100 for unknown."""


def build_wordpiece(metadata: Metadata, vocabulary: Vocabulary) -> dict[str, JsonValue]:
    """A tokenizer.json that yields llama.cpp's ids and puts a text between its two special tokens.

    Hangul is taken apart and U+0085 dropped as BERT does, and llama.cpp does not. Raises
    ExportError where a special token is missing.
    """
    unknown = _special(metadata, vocabulary, "unknown", vocabulary.unknown_token_id)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": vocabulary.added_tokens(),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": True,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": _between(metadata, vocabulary),
        "decoder": {"type": "WordPiece", "prefix": _CONTINUATION, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": _CONTINUATION,
            "max_input_chars_per_word": _LONGEST_WORD,
            "vocab": _vocab(metadata, vocabulary),
        },
    }


def _vocab(metadata: Metadata, vocabulary: Vocabulary) -> JsonValue:
    vocab: dict[str, JsonValue] = {}
    for i, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True)):
        name = _bert_name(token) if kind == Kind.NORMAL else token
        if name in vocab:
            raise ExportError(f"{metadata.path}: the token {one_line(name)!r} is there twice")
        vocab[name] = i
    return vocab


def _bert_name(token: str) -> str:
    if token.startswith("[") and token.endswith("]"):
        return token
    if token.startswith(_BEGINNING):
        return token.removeprefix(_BEGINNING)
    return _CONTINUATION + token


def _between(metadata: Metadata, vocabulary: Vocabulary) -> JsonValue:
    first = _special(metadata, vocabulary, "bos", vocabulary.bos_token_id)
    key = "tokenizer.ggml.seperator_token_id"
    last_id = metadata.integer(key, 102)
    last = _special(metadata, vocabulary, "seperator", last_id)
    texts: dict[str, JsonValue] = {
        "single": [_token(first), _text("A"), _token(last)],
        "pair": [_token(first), _text("A"), _token(last), _text("B", 1), _token(last, 1)],
    }
    ids = {first: vocabulary.bos_token_id, last: last_id}
    special: dict[str, JsonValue] = {
        token: {"id": token, "ids": [i], "tokens": [token]} for token, i in ids.items()
    }
    return {"type": "TemplateProcessing", **texts, "special_tokens": special}


def _special(metadata: Metadata, vocabulary: Vocabulary, role: str, token_id: int | None) -> str:
    if token_id is None or token_id >= len(vocabulary.tokens):
        raise metadata.error(f"tokenizer.ggml.{role}_token_id", "names no token")
    return vocabulary.tokens[token_id]


def _token(token: str, type_id: int = 0) -> JsonValue:
    return {"SpecialToken": {"id": token, "type_id": type_id}}


def _text(name: str, type_id: int = 0) -> JsonValue:
    return {"Sequence": {"id": name, "type_id": type_id}}
