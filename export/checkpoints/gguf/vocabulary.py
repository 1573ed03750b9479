"""The tokens of a GGUF file, what kind each is, and which of them begin or end a text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.json_file import one_line
from export.errors import ExportError

END_OF_TURN_TEXTS = frozenset(
    {
        "</s>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<end_of_turn>",
        "<end_of_utterance>",
        "<EOT>",
        "<｜end▁of▁sentence｜>",
    }
)
"""Tokens that end a model's turn whatever the metadata says, since many files leave them out.

These are the ones llama.cpp knows by their text, less those of models that GGUF is not read for
here. llama.cpp also stops at the fill-in-the-middle tokens (`<|file_sep|>`, `<reponame>`), which
end an infill and no turn: they are left out here as they are in transformers' configs.
"""


class Kind(IntEnum):
    """`llama_token_type` in llama.h."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id, and the ids with a meaning; None where the file names none."""

    tokens: list[str]
    kinds: list[int]
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    unknown_token_id: int | None
    pad_token_id: int | None

    def ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def added_tokens(self) -> list[JsonValue]:
        """What tokenizer.json calls so: the tokens that are looked for before all others."""
        matched = (Kind.UNKNOWN, Kind.CONTROL, Kind.USER_DEFINED)
        return [
            {
                "id": i,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": kind != Kind.USER_DEFINED,
            }
            for i, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True))
            if kind in matched
        ]


@dataclass(frozen=True, slots=True)
class DefaultIds:
    """The ids that llama.cpp takes where the metadata names none."""

    bos: int | None = None
    eos: int | None = None
    unknown: int | None = None


def read_vocabulary(metadata: Metadata, defaults: DefaultIds) -> Vocabulary:
    """The vocabulary. Raises ExportError where it is missing or inconsistent."""
    # llama.cpp gives nameless tokens the same names.
    tokens = [
        token or f"[EMPTY_{i}]" for i, token in enumerate(metadata.texts("tokenizer.ggml.tokens"))
    ]
    _check_unique(metadata, tokens)
    kinds = [int(Kind.NORMAL)] * len(tokens)
    if "tokenizer.ggml.token_type" in metadata:
        kinds = metadata.numbers("tokenizer.ggml.token_type", len(tokens)).astype(int).tolist()
    by_text = [i for i, token in enumerate(tokens) if token in END_OF_TURN_TEXTS]
    for i in by_text:
        kinds[i] = Kind.CONTROL
    return Vocabulary(
        tokens=tokens,
        kinds=kinds,
        bos_token_id=_special_id(metadata, "bos", len(tokens), defaults.bos),
        eos_token_ids=_read_eos(metadata, len(tokens), defaults.eos, by_text),
        unknown_token_id=_special_id(metadata, "unknown", len(tokens), defaults.unknown),
        pad_token_id=_special_id(metadata, "padding", len(tokens), None),
    )


def _read_eos(
    metadata: Metadata, num_tokens: int, default: int | None, by_text: list[int]
) -> tuple[int, ...]:
    """The end-of-text token first, then those that end a turn or a message."""
    named = (
        _special_id(metadata, "eos", num_tokens, default),
        _special_id(metadata, "eot", num_tokens, None),
        _special_id(metadata, "eom", num_tokens, None),
    )
    return tuple(dict.fromkeys([i for i in named if i is not None] + by_text))


def _special_id(metadata: Metadata, role: str, num_tokens: int, default: int | None) -> int | None:
    key = f"tokenizer.ggml.{role}_token_id"
    token_id = metadata.integer(key) if key in metadata else default
    # Converters write 4294967295 for "none", and llama.cpp ignores ids out of range.
    return token_id if token_id is not None and token_id < num_tokens else None


def _check_unique(metadata: Metadata, tokens: list[str]) -> None:
    if len(set(tokens)) == len(tokens):
        return
    seen: set[str] = set()
    for token in tokens:
        if token in seen:
            raise ExportError(f"{metadata.path}: the token {one_line(token)!r} is there twice")
        seen.add(token)
