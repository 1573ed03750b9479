"""Random decoders that embed texts or judge pairs, as a hub would hold them; no torch needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from export.checkpoints.base import JsonValue
from export.decoder.families import read_spec
from tests.tiny_decoders import CONFIGS, Config
from tests.unit.export.checkpoints.writers import safetensors_bytes
from tests.unit.export.decoder.tiny import Tiny, f32, random_checkpoint

END = 256
"""The id of the token that texts end with; those below it are bytes."""

PAD = 257

CONFIG: Config = CONFIGS["qwen3"] | {"vocab_size": 260, "pad_token_id": PAD}


def byte_tokenizer(*, closes: bool) -> dict[str, JsonValue]:
    """A tokenizer.json of the 256 bytes and `<|end|>`, with which texts end if it `closes`."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    symbols |= {byte: chr(256 + i) for i, byte in enumerate(rest)}
    vocabulary: dict[str, JsonValue] = {symbols[byte]: byte for byte in range(256)}
    end: dict[str, JsonValue] = {"SpecialToken": {"id": "<|end|>", "type_id": 0}}
    template: JsonValue = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
        "pair": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 0}},
            end,
        ],
        "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [END], "tokens": ["<|end|>"]}},
    }
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": END,
                "content": "<|end|>",
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "post_processor": template if closes else None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }


def write_embedder(
    folder: Path,
    config: Config = CONFIG,
    *,
    is_bare: bool = True,
    closes: bool = True,
    tokenizer_config: Config | None = None,
) -> Tiny:
    """A folder in sentence-transformers' layout, the tensors with or without `model.` before
    their names. Returns the weights by the names that a model with a head has."""
    checkpoint = _write_model(folder, config, is_bare=is_bare)
    _write_tokenizer(folder, tokenizer_config or {}, closes=closes)
    write_sentence_files(folder)
    return checkpoint


def write_sentence_files(folder: Path) -> None:
    """Vectors are those of the last tokens at length 1; there is a prompt for queries."""
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds.items())
    ]
    _write(folder / "modules.json", modules)
    (folder / "1_Pooling").mkdir()
    _write(folder / "1_Pooling" / "config.json", {"pooling_mode_lasttoken": True})
    prompts: Config = {"query": "Instruct: find it\nQuery:", "document": ""}
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": prompts, "default_prompt_name": None},
    )


def write_ranker(folder: Path, config: Config = CONFIG) -> Tiny:
    """A classifier of one label; its head is `score.weight`."""
    ranker = config | {
        "architectures": ["Qwen3ForSequenceClassification"],
        "id2label": {"0": "LABEL_0"},
    }
    checkpoint = _write_model(folder, ranker, is_bare=False)
    _write_tokenizer(folder, {}, closes=True)
    return checkpoint


def _write_model(folder: Path, config: Config, *, is_bare: bool) -> Tiny:
    folder.mkdir(parents=True, exist_ok=True)
    spec = read_spec(config)
    tensors = dict(random_checkpoint(spec).tensors)
    if "ForSequenceClassification" in str(config.get("architectures")):
        generator = np.random.default_rng(2)
        tensors["score.weight"] = f32(
            "score.weight", generator.standard_normal((1, spec.hidden_size)) / 4
        )
    content = {
        name.removeprefix("model.") if is_bare else name: (
            "F32",
            tensor.shape,
            tensor.data.tobytes(),
        )
        for name, tensor in tensors.items()
        if name != spec.head
    }
    (folder / "model.safetensors").write_bytes(safetensors_bytes(content))
    _write(folder / "config.json", config)
    return Tiny(tensors, config)


def _write_tokenizer(folder: Path, settings: Config, *, closes: bool) -> None:
    _write(folder / "tokenizer.json", byte_tokenizer(closes=closes))
    _write(folder / "tokenizer_config.json", {"eos_token": "<|end|>"} | settings)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))
