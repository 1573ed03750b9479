"""The tokenizer inside a GGUF file, as Hugging Face's tokenizers read one."""

from __future__ import annotations

import json

from export.checkpoints.base import TokenizerFiles
from export.checkpoints.gguf.byte_level_bpe import build_byte_level_bpe
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.pre_tokenizers import read_pre_tokenizer
from export.checkpoints.gguf.sentencepiece_bpe import build_sentencepiece_bpe
from export.checkpoints.gguf.vocabulary import DefaultIds, Vocabulary, read_vocabulary
from export.checkpoints.gguf.wordpiece import build_wordpiece
from export.checkpoints.json_file import one_line
from export.errors import ExportError

_TEMPLATE_KEY = "tokenizer.chat_template"


def read_tokenizer(metadata: Metadata) -> TokenizerFiles:
    """The tokenizer. Raises ExportError for a kind or a pre-tokenizer that is not supported.

    `add_bos_token` is the file's own setting or, without one, llama.cpp's default for the kind.
    An `add_eos_token` is for texts that are not continued.
    """
    kind = metadata.text("tokenizer.ggml.model")
    if kind == "gpt2":
        pre_tokenizer = read_pre_tokenizer(metadata)
        vocabulary = read_vocabulary(metadata, DefaultIds())
        document = build_byte_level_bpe(metadata, vocabulary, pre_tokenizer)
        adds_bos = pre_tokenizer.adds_bos
    elif kind == "llama":
        vocabulary = read_vocabulary(metadata, DefaultIds(bos=1, eos=2, unknown=0))
        document = build_sentencepiece_bpe(metadata, vocabulary)
        adds_bos = True
    elif kind == "bert":
        vocabulary = read_vocabulary(metadata, DefaultIds(bos=101, unknown=100))
        document = build_wordpiece(metadata, vocabulary)
        adds_bos = True
    else:
        raise ExportError(
            f"{metadata.path}: the tokenizer {one_line(kind)!r} is not supported; "
            "supported: gpt2, llama, bert"
        )
    return TokenizerFiles(
        tokenizer_json=json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
        chat_template=_read_chat_template(metadata),
        bos_token_id=vocabulary.bos_token_id,
        eos_token_ids=vocabulary.eos_token_ids,
        pad_token_id=vocabulary.pad_token_id,
        add_bos_token=_read_add_bos(metadata, vocabulary, adds_bos),
        closing_token_id=_read_closing(metadata, vocabulary),
        template_origin=f"{metadata.path}: the metadata {_TEMPLATE_KEY!r}",
    )


def _read_add_bos(metadata: Metadata, vocabulary: Vocabulary, default: bool) -> bool:
    key = "tokenizer.ggml.add_bos_token"
    adds_bos = metadata.flag(key, default)
    if adds_bos and vocabulary.bos_token_id is None:
        raise metadata.error(key, "asks for a token that the file does not name")
    return adds_bos


def _read_closing(metadata: Metadata, vocabulary: Vocabulary) -> int | None:
    key = "tokenizer.ggml.add_eos_token"
    if not metadata.flag(key, False):
        return None
    return vocabulary.eos_token_ids[0] if vocabulary.eos_token_ids else None


def _read_chat_template(metadata: Metadata) -> str | None:
    return metadata.text(_TEMPLATE_KEY) if _TEMPLATE_KEY in metadata else None
