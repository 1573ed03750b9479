"""How text is cut into words before byte-level BPE, by the name a GGUF file gives it.

Each row lists the regular expressions applied one after another: what an expression matches and
what lies between its matches are pieces, which the next one cuts further. Names: `tokenizer_pre` in
llama.cpp's llama-vocab.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf import expressions as ex
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.json_file import one_line
from export.errors import ExportError


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


_GPT2 = PreTokenizer((ex.GPT2,))
_DIGITS_APART = PreTokenizer((ex.DIGIT, ex.GPT2))
_LLAMA3 = PreTokenizer((ex.LLAMA3,), ignores_merges=True, adds_bos=True)
_LLAMA3_MERGING = PreTokenizer((ex.LLAMA3,))
_QWEN2 = PreTokenizer((ex.QWEN2,))
_GPT4O = PreTokenizer((ex.GPT4O,))
_DEEPSEEK_V3 = PreTokenizer((ex.UP_TO_THREE_DIGITS, ex.CJK, ex.DEEPSEEK_V3))
_BLOOM = PreTokenizer((ex.BLOOM,))
_BAILING = PreTokenizer((ex.BAILING,))

_GROUPS: tuple[tuple[PreTokenizer, str], ...] = (
    (PreTokenizer(ex.DEFAULT), "default"),
    (_GPT2, "gpt-2 phi-2 mpt olmo jais jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0"),
    (_GPT2, "mellum modern-bert exaone4 trillion granite-docling"),
    (_DIGITS_APART, "smollm starcoder refact command-r codeshell exaone minerva-7b"),
    (_LLAMA3, "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano"),
    (_LLAMA3_MERGING, "dbrx smaug-bpe chatglm-bpe glm4"),
    (_QWEN2, "qwen2 stablelm2 deepseek-r1-qwen megrez hunyuan solar-open grok-2 kormo f2llmv2"),
    (PreTokenizer((ex.QWEN35,)), "qwen35"),
    (PreTokenizer((ex.TEKKEN,), ignores_merges=True, adds_bos=True), "tekken"),
    (_GPT4O, "gpt-4o llama4 kanana2 talkie minimax-m2"),
    (PreTokenizer(ex.DEEPSEEK_LLM), "deepseek-llm"),
    (PreTokenizer(ex.DEEPSEEK_CODER), "deepseek-coder"),
    (_DEEPSEEK_V3, "deepseek-v3 hunyuan-dense joyai-llm"),
    (PreTokenizer(ex.FALCON), "falcon"),
    (_BLOOM, "bloom poro-chat gpt3-finnish"),
    (PreTokenizer((ex.BLOOM, ex.DIGIT)), "viking"),
    (PreTokenizer(ex.SUPERBPE), "superbpe"),
    (_BAILING, "bailingmoe bailingmoe2 llada-moe"),
    (PreTokenizer((ex.SEED_CODER,)), "seed-coder"),
    (PreTokenizer((ex.EXAONE_MOE,)), "exaone-moe"),
    (PreTokenizer((ex.JAIS2,)), "jais-2"),
    (PreTokenizer(ex.CHAMELEON, adds_bos=True), "chameleon"),
)

PRE_TOKENIZERS: Mapping[str, PreTokenizer] = {
    name: row for row, names in _GROUPS for name in names.split()
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
