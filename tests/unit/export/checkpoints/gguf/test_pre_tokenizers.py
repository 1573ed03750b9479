"""Every pre-tokenizer against the ids that llama.cpp gives with it.

The vocabulary's merges go over words, digits and space, so that any other cut shows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest
from tokenizers import Tokenizer

from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.pre_tokenizers import PRE_TOKENIZERS
from export.checkpoints.gguf.tokenizer import read_tokenizer
from tests.unit.export.checkpoints.gguf.byte_vocabulary import byte_metadata

GOLDEN = json.loads(
    (Path(__file__).parents[4] / "golden" / "pre_tokenizer_tokens.json").read_text("utf-8")
)


class Group(TypedDict):
    names: list[str]
    ids: list[list[int]]


GROUPS: list[Group] = GOLDEN["groups"]


def read(name: str) -> Tokenizer:
    values = byte_metadata(GOLDEN["merges"]) | {"tokenizer.ggml.pre": name}
    files = read_tokenizer(Metadata(Path("m.gguf"), values))  # type: ignore[arg-type]
    return Tokenizer.from_buffer(files.tokenizer_json)


@pytest.mark.parametrize("group", GROUPS, ids=[group["names"][0] for group in GROUPS])
def test_ids_are_those_of_llama_cpp(group: Group) -> None:
    for name in {PRE_TOKENIZERS[name]: name for name in group["names"]}.values():
        tokenizer = read(name)
        for text, ids in zip(GOLDEN["texts"], group["ids"], strict=True):
            assert tokenizer.encode(text, add_special_tokens=False).ids == ids, (name, text)


def test_every_pre_tokenizer_was_compared() -> None:
    assert sorted(name for group in GROUPS for name in group["names"]) == sorted(PRE_TOKENIZERS)


@pytest.mark.parametrize("name", ["qwen2", "gpt-4o", "deepseek-v3", "superbpe", "bloom"])
def test_text_survives_the_way_there_and_back(name: str) -> None:
    tokenizer = read(name)
    for text in GOLDEN["texts"]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
