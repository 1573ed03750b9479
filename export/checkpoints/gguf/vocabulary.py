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
        "<|return|>",
        "<|call|>",
        "<｜end▁of▁sentence｜>",
    }
)
"""Tokens that end a model's turn whatever the metadata says, since many files leave them out.

These are the ones llama.cpp knows by their text, less those of models that GGUF is not read for
here. llama.cpp also stops at the fill-in-the-middle tokens (`<|file_sep|>`, `<reponame>`), which
end an infill and no turn: they are left out here as they are in transformers' configs.
"""


_HARMONY = frozenset({"<|return|>", "<|call|>", "<|end|>"})
"""With all three, gpt-oss's format: there `<|end|>` ends one message of several in a turn."""

_KEEPING_SPACE = frozenset({"<unk>", "<s>", "<|endoftext|>"})
"""Phi-3's special tokens that leave the white space behind them alone."""


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
    """Tokens by id, and the ids with a meaning; None where the file names none.

    `strips_space` says that special tokens swallow the white space behind them.
    """

    tokens: list[str]
    kinds: list[int]
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    unknown_token_id: int | None
    pad_token_id: int | None
    strips_space: bool = False

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
                "rstrip": self.strips_space and token not in _KEEPING_SPACE,
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
    ends_of_turn = _ends_of_turn(tokens)
    by_text = [i for i, token in enumerate(tokens) if token in ends_of_turn]
    for i in by_text:
        kinds[i] = Kind.CONTROL
    return Vocabulary(
        tokens=tokens,
        kinds=kinds,
        bos_token_id=_special_id(metadata, "bos", len(tokens), defaults.bos),
        eos_token_ids=_read_eos(metadata, len(tokens), defaults.eos, by_text),
        unknown_token_id=_special_id(metadata, "unknown", len(tokens), defaults.unknown),
        pad_token_id=_special_id(metadata, "padding", len(tokens), None),
        strips_space=_strips_space(metadata),
    )


def _ends_of_turn(tokens: list[str]) -> frozenset[str]:
    is_harmony = _HARMONY.issubset(tokens)
    return END_OF_TURN_TEXTS - {"<|end|>"} if is_harmony else END_OF_TURN_TEXTS


def _strips_space(metadata: Metadata) -> bool:
    """GGUF has no key for it, and llama.cpp goes by the model's name too."""
    name = metadata.text("general.name", "").lower()
    return "phi-3" in name or "phi3" in name


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
