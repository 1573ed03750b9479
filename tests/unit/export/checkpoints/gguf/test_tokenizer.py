from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from export.checkpoints.base import TokenizerFiles
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.tokenizer import read_tokenizer
from export.errors import ExportError
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.gguf.sentencepiece_vocabulary import sentencepiece_metadata
from tests.unit.export.checkpoints.gguf.wordpiece_vocabulary import wordpiece_metadata
from tests.unit.export.checkpoints.writers import MetadataInput

GOLDEN = Path(__file__).parents[4] / "golden"


def read(extra: Mapping[str, MetadataInput], drop: str = "") -> TokenizerFiles:
    values = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in tiny_llama.metadata(extra=extra).items()
        if key != drop
    }
    return read_tokenizer(Metadata(Path("m.gguf"), values))  # type: ignore[arg-type]


def kinds(*values: int) -> MetadataInput:
    return np.array(values, "<i4")


@pytest.mark.parametrize("adds_space", [True, False])
def test_sentencepiece_ids_are_those_of_llama_cpp(adds_space: bool) -> None:
    extra = {"tokenizer.ggml.add_space_prefix": adds_space}
    files = read(sentencepiece_metadata() | extra)
    tokenizer = Tokenizer.from_buffer(files.tokenizer_json)
    golden = json.loads((GOLDEN / "sentencepiece_tokens.json").read_text("utf-8"))
    (group,) = (g for g in golden["groups"] if str(adds_space) in g["names"])
    for text, ids in zip(golden["texts"], group["ids"], strict=True):
        assert tokenizer.encode(text, add_special_tokens=False).ids == ids, text


def test_sentencepiece_text_survives_the_way_there_and_back() -> None:
    tokenizer = Tokenizer.from_buffer(read(sentencepiece_metadata()).tokenizer_json)
    for text in ("hello world", " the cat", "日本語 🎉\n\n", "a  b\tc", "ÿ\x00"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_sentencepiece_has_the_defaults_of_llama_cpp() -> None:
    metadata = sentencepiece_metadata()
    for role in ("bos", "eos", "unknown"):
        del metadata[f"tokenizer.ggml.{role}_token_id"]
    files = read(metadata, drop="tokenizer.ggml.eos_token_id")
    assert (files.bos_token_id, files.eos_token_ids, files.add_bos_token) == (1, (2,), True)


def read_wordpiece(extra: Mapping[str, MetadataInput] | None = None) -> TokenizerFiles:
    return read(wordpiece_metadata() | dict(extra or {}))


def test_wordpiece_ids_are_those_of_llama_cpp() -> None:
    tokenizer = Tokenizer.from_buffer(read_wordpiece().tokenizer_json)
    for text, ids in json.loads((GOLDEN / "wordpiece_tokens.json").read_text("utf-8")):
        assert tokenizer.encode(text, add_special_tokens=False).ids == ids, text


def test_wordpiece_puts_a_text_between_its_special_tokens() -> None:
    files = read_wordpiece()
    tokenizer = Tokenizer.from_buffer(files.tokenizer_json)
    assert tokenizer.encode("The cat", "sat").tokens == (
        ["[CLS]", "the", "cat", "[SEP]", "sat", "[SEP]"]
    )
    assert (files.bos_token_id, files.pad_token_id, files.add_bos_token) == (2, 0, True)
    assert tokenizer.decode(tokenizer.encode("hello WORLD, catsat").ids) == "hello world, catsat"


def test_wordpiece_without_its_special_tokens_is_refused() -> None:
    with pytest.raises(ExportError, match="seperator_token_id' names no token"):
        read_wordpiece({"tokenizer.ggml.seperator_token_id": 10**6})
    with pytest.raises(ExportError, match="unknown_token_id' names no token"):
        read_wordpiece({"tokenizer.ggml.unknown_token_id": 10**6})


def test_byte_level_tokens_are_merged_and_special_ones_found() -> None:
    files = read({"tokenizer.ggml.token_type": kinds(1, 1, 1, 1, 3)})
    tokenizer = Tokenizer.from_buffer(files.tokenizer_json)
    assert tokenizer.encode("ab ba<|end|>ab").ids == [3, 2, 1, 0, 4, 3]
    assert tokenizer.decode([3, 4, 2], skip_special_tokens=True) == "ab "


def test_user_defined_tokens_are_found_but_not_special() -> None:
    tokens = ["a", "b", "Ġ", "ab", "<tool>"]
    types = {"tokenizer.ggml.token_type": kinds(1, 1, 1, 1, 4)}
    files = read({"tokenizer.ggml.tokens": tokens} | types)
    tokenizer = Tokenizer.from_buffer(files.tokenizer_json)
    assert tokenizer.encode("a<tool>").ids == [0, 4]
    assert tokenizer.decode([0, 4], skip_special_tokens=True) == "a<tool>"


def test_nameless_tokens_get_a_name() -> None:
    files = read({"tokenizer.ggml.tokens": ["a", "b", "", "ab", ""]})
    vocab = json.loads(files.tokenizer_json)["model"]["vocab"]
    assert vocab == {"a": 0, "b": 1, "[EMPTY_2]": 2, "ab": 3, "[EMPTY_4]": 4}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"tokenizer.ggml.eos_token_id": 0}, (0, 4)),
        ({"tokenizer.ggml.eos_token_id": 4}, (4,)),
        ({"tokenizer.ggml.eos_token_id": 99}, (4,)),
        ({"tokenizer.ggml.eot_token_id": 1, "tokenizer.ggml.eom_token_id": 2}, (4, 1, 2)),
    ],
)
def test_what_ends_a_turn(extra: dict[str, MetadataInput], expected: tuple[int, ...]) -> None:
    assert read(extra).eos_token_ids == expected


def test_one_message_of_several_ends_no_turn() -> None:
    """gpt-oss's format: thoughts, then an answer, each closed by `<|end|>`."""
    files = read({"tokenizer.ggml.tokens": ["a", "b", "ab", "<|return|>", "<|end|>", "<|call|>"]})
    assert set(files.eos_token_ids) == {3, 4, 5}
    assert files.eos_token_ids[0] == 4  # named as eos by the metadata of this test
    named = read(
        {
            "tokenizer.ggml.tokens": ["a", "b", "ab", "<|return|>", "<|end|>", "<|call|>"],
            "tokenizer.ggml.eos_token_id": 3,
        }
    )
    assert named.eos_token_ids == (3, 5)


@pytest.mark.parametrize(("name", "expected"), [("Phi-3 mini", [4, 3]), ("Phi 4", [4, 2, 3])])
def test_special_tokens_of_phi3_swallow_the_space_behind_them(
    name: str, expected: list[int]
) -> None:
    files = read({"general.name": name, "tokenizer.ggml.token_type": kinds(1, 1, 1, 1, 3)})
    assert Tokenizer.from_buffer(files.tokenizer_json).encode("<|end|> ab").ids == expected


def test_a_token_known_to_end_turns_is_special_whatever_its_type() -> None:
    files = read({"tokenizer.ggml.token_type": kinds(1, 1, 1, 1, 1)})
    assert Tokenizer.from_buffer(files.tokenizer_json).encode("<|end|>").ids == [4]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, False),
        ({"tokenizer.ggml.add_bos_token": True}, True),
        ({"tokenizer.ggml.pre": "llama-bpe"}, True),
        ({"tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": False}, False),
    ],
)
def test_whether_a_text_begins_with_bos(extra: dict[str, MetadataInput], expected: bool) -> None:
    assert read({"tokenizer.ggml.bos_token_id": 0} | extra).add_bos_token is expected


def test_bos_and_pad_and_template() -> None:
    files = read(
        {
            "tokenizer.ggml.bos_token_id": 2,
            "tokenizer.ggml.padding_token_id": 2**32 - 1,
            "tokenizer.chat_template": "{{ x }}",
        }
    )
    assert (files.bos_token_id, files.pad_token_id, files.chat_template) == (2, None, "{{ x }}")


NANS = np.full(5, np.nan, "<f4")


@pytest.mark.parametrize(
    ("extra", "drop", "problem"),
    [
        ({"tokenizer.ggml.model": "t5"}, "", "'t5' is not supported; supported: gpt2, llama, bert"),
        ({"tokenizer.ggml.model": 5}, "", "is not a string"),
        ({}, "tokenizer.ggml.model", "'tokenizer.ggml.model' is missing"),
        ({"tokenizer.ggml.pre": "kimi-k2"}, "", "pre-tokenizer 'kimi-k2' is not .*: .*qwen2"),
        ({}, "tokenizer.ggml.pre", "too old to say how its text is cut"),
        ({}, "tokenizer.ggml.merges", "'tokenizer.ggml.merges' is missing"),
        ({"tokenizer.ggml.merges": ["ab"]}, "", "the merge 'ab' does not join"),
        ({"tokenizer.ggml.merges": ["b a"]}, "", "the merge 'b a' does not join"),
        ({"tokenizer.ggml.merges": ["a z"]}, "", "the merge 'a z' does not join"),
        ({"tokenizer.ggml.merges": [""]}, "", "does not join"),
        ({"tokenizer.ggml.tokens": ["a", "b", "a"]}, "", "the token 'a' is there twice"),
        ({"tokenizer.ggml.token_type": kinds(1, 1)}, "", "is not a list of 5 numbers"),
        ({"tokenizer.ggml.token_type": ["1"] * 5}, "", "is not a list of 5 numbers"),
        ({"tokenizer.ggml.add_bos_token": True}, "", "asks for a token that the file does not"),
        ({"tokenizer.ggml.add_bos_token": 1}, "", "is not true or false"),
        ({"tokenizer.chat_template": 1}, "", "is not a string"),
        ({"tokenizer.ggml.model": "llama"}, "", "'tokenizer.ggml.scores' is missing"),
        (
            {"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": NANS},
            "",
            "holds a score that is not a number",
        ),
    ],
)
def test_an_unusable_tokenizer_is_refused(
    extra: dict[str, MetadataInput], drop: str, problem: str
) -> None:
    with pytest.raises(ExportError, match=problem) as caught:
        read(extra, drop)
    assert str(caught.value).startswith("m.gguf: ")
