"""How text is cut into words before byte-level BPE, by the name a GGUF file gives it.

Each row lists the regular expressions applied one after another: what an expression matches and
what lies between its matches are pieces, which the next one cuts further. Names and expressions:
`llm_tokenizer_bpe` and `tokenizer_pre` in llama.cpp's llama-vocab.cpp; its hand-written matchers
follow the expressions kept here. Syntax: Oniguruma, as Hugging Face's tokenizers use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.json_file import one_line
from export.errors import ExportError

_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_DIGIT = r"\p{N}"
_THREE_DIGITS = r"[0-9][0-9][0-9]"
_CONTRACTION = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_SYMBOLS_AND_SPACE = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS_LLAMA3 = (
    rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_SYMBOLS_AND_SPACE}"
)
_WORDS_QWEN2 = rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_SYMBOLS_AND_SPACE}"


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """One row: `ignores_merges` takes a whole word that is a token without merging up to it."""

    expressions: tuple[str, ...]
    ignores_merges: bool = False
    adds_bos: bool = False

    def to_json(self) -> JsonValue:
        """The `pre_tokenizer` of a tokenizer.json."""
        splits: list[JsonValue] = [
            {
                "type": "Split",
                "pattern": {"Regex": expression},
                "behavior": "Isolated",
                "invert": False,
            }
            for expression in self.expressions
        ]
        byte_level: JsonValue = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        }
        return {"type": "Sequence", "pretokenizers": [*splits, byte_level]}


_GPT2 = PreTokenizer((_WORDS,))
_DIGITS_APART = PreTokenizer((_DIGIT, _WORDS))
_LLAMA3 = PreTokenizer((_WORDS_LLAMA3,), ignores_merges=True, adds_bos=True)
_LLAMA3_MERGING = PreTokenizer((_WORDS_LLAMA3,))
_QWEN2 = PreTokenizer((_WORDS_QWEN2,))

PRE_TOKENIZERS: Mapping[str, PreTokenizer] = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", _WORDS, r"\p{N}+", _THREE_DIGITS)),
    "gpt-2": _GPT2,
    "phi-2": _GPT2,
    "mpt": _GPT2,
    "olmo": _GPT2,
    "jais": _GPT2,
    "smollm": _DIGITS_APART,
    "starcoder": _DIGITS_APART,
    "refact": _DIGITS_APART,
    "command-r": _DIGITS_APART,
    "codeshell": _DIGITS_APART,
    "exaone": _DIGITS_APART,
    "minerva-7b": _DIGITS_APART,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "falcon3": _LLAMA3,
    "pixtral": _LLAMA3,
    "dbrx": _LLAMA3_MERGING,
    "smaug-bpe": _LLAMA3_MERGING,
    "chatglm-bpe": _LLAMA3_MERGING,
    "qwen2": _QWEN2,
    "stablelm2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
    "megrez": _QWEN2,
    "falcon": PreTokenizer((r"[\p{P}\$\+<=>\^~\|`]+", _WORDS, _THREE_DIGITS)),
    "deepseek-coder": PreTokenizer(
        (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", _DIGIT)
    ),
}


def read_pre_tokenizer(metadata: Metadata) -> PreTokenizer:
    """The row that the file names. Raises ExportError for a name without a row.

    llama.cpp takes "default" for a file without a name and warns that its output will be worse;
    such files are refused, because a wrong cut goes unnoticed.
    """
    key = "tokenizer.ggml.pre"
    if key not in metadata:
        raise metadata.error(key, "is missing: the file is too old to say how its text is cut")
    name = metadata.text(key)
    row = PRE_TOKENIZERS.get(name)
    if row is None:
        raise ExportError(
            f"{metadata.path}: the pre-tokenizer {one_line(name)!r} is not supported; "
            f"supported: {', '.join(sorted(PRE_TOKENIZERS))}"
        )
    return row
