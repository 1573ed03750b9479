"""Random encoders of a few kilobytes, as a hub would hold them. Needs the `export` extra."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertTokenizerFast,
    MPNetTokenizerFast,
    PretrainedConfig,
    RobertaTokenizerFast,
)

SHAPE = {
    "vocab_size": 128,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;?!'()-"
_WORDS = ["the", "of", "and", "glass", "water", "is", "what", "query"]


def write_bert_tokenizer(folder: Path) -> None:
    """Letters and a few words, in a vocab.txt and the tokenizer.json that comes of it."""
    pieces = [*_LETTERS, *(f"##{letter}" for letter in _LETTERS), *_WORDS]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def write_mpnet_tokenizer(folder: Path) -> None:
    special = ["<s>", "<pad>", "</s>", "[UNK]"]
    pieces = [*special, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), *_WORDS, "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    MPNetTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def write_roberta_tokenizer(folder: Path) -> None:
    """A byte-level one without merges, of the bytes of plain text only."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    symbols = [*special, *map(chr, range(33, 127)), "Ġ", "Ċ", "<mask>"]
    vocabulary = {symbol: index for index, symbol in enumerate(symbols)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(
        folder
    )


def random_model(config: PretrainedConfig, folder: Path, seed: int = 0, width: float = 0.3) -> Any:  # noqa: ANN401  transformers is not checked
    """Writes random weights; a ranker for a config of one label. The wider they are, the more a
    token tells of all others."""
    torch.manual_seed(seed)
    is_ranker = config.num_labels == 1
    kind = AutoModelForSequenceClassification if is_ranker else AutoModel
    model = kind.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.1)
            elif "norm" in name.lower():
                weight.uniform_(0.5, 1.5)
            else:
                weight.normal_(0, width)
    model.save_pretrained(folder)
    return model


def write_sentence_transformers(
    folder: Path,
    *,
    pooling: str = "mean_tokens",
    normalize: bool = True,
    max_seq_length: int | None = 32,
    prompts: Mapping[str, str] | None = None,
    default_prompt: str | None = None,
    size: int = 16,
) -> None:
    """The files that say how token vectors become one, in the layout of version 2."""
    steps = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{step}"}
        for i, (step, path) in enumerate(zip(steps, paths, strict=False))
    ]
    _write(folder / "modules.json", modules)
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": max_seq_length, "do_lower_case": False},
    )
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": dict(prompts or {}), "default_prompt_name": default_prompt},
    )
    switches = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")
    (folder / "1_Pooling").mkdir()
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": size}
        | {f"pooling_mode_{switch}": switch == pooling for switch in switches},
    )


def read_tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))
