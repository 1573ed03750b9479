"""The choice of files in a repository."""

from __future__ import annotations

import pytest

from export.errors import ExportError
from export.sources.hub_files import select_files

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"
QUANTS = ["Tiny-Q4_0.gguf", "Tiny-Q4_K.gguf", "Tiny-Q4_K_M.gguf", "bf16/Tiny.BF16.gguf"]


def test_shards_come_with_their_index_and_without_a_second_copy() -> None:
    others = ["consolidated-00001-of-00002.safetensors", "onnx/model.safetensors"]
    names = ["config.json", INDEX, *SHARDS, *others]
    assert select_files(names, "a/b", None) == ("config.json", INDEX, *SHARDS)


def test_one_file_wins_over_shards() -> None:
    names = ["config.json", INDEX, *SHARDS, "model.safetensors"]
    assert select_files(names, "a/b", None) == ("config.json", "model.safetensors")


def test_side_files_that_nothing_reads_stay_there() -> None:
    unread = ["added_tokens.json", "merges.txt", "vocab.json", "vocab.txt"]
    read = ["chat_template.json", "config.json", "tokenizer.json", "model.safetensors"]
    assert select_files([*read, *unread], "a/b", None) == tuple(read)


def test_vocabularies_come_where_there_is_no_tokenizer_json() -> None:
    names = ["config.json", "vocab.txt", "model.safetensors"]
    assert select_files(names, "a/b", None) == tuple(names)


def test_the_files_of_sentence_transformers_come_with_their_folders() -> None:
    theirs = [
        "1_Pooling/config.json",
        "config.json",
        "config_sentence_transformers.json",
        "modules.json",
        "sentence_bert_config.json",
    ]
    others = ["1_Pooling/../config.json", "onnx/config.json", "2_Dense/model.safetensors"]
    selected = select_files([*theirs, *others, "model.safetensors"], "a/b", None)
    assert selected == (*theirs, "model.safetensors")


def test_safetensors_that_nothing_reads_do_not_hide_a_gguf() -> None:
    assert select_files(["adapter_model.safetensors", "Tiny.gguf"], "a/b", None) == ("Tiny.gguf",)


def test_a_lone_gguf_needs_no_name() -> None:
    names = ["Tiny.gguf", "mmproj-Tiny-f16.gguf", "README.md"]
    assert select_files(names, "a/b", None) == ("Tiny.gguf",)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("q4_k", "Tiny-Q4_K.gguf"),
        ("Q4_K_M", "Tiny-Q4_K_M.gguf"),
        ("bf16", "bf16/Tiny.BF16.gguf"),
        ("Tiny-Q4_0.gguf", "Tiny-Q4_0.gguf"),
        ("tiny-q4_0", "Tiny-Q4_0.gguf"),
        ("bf16/Tiny.BF16.gguf", "bf16/Tiny.BF16.gguf"),
    ],
)
def test_a_gguf_by_file_or_quantisation(wanted: str, expected: str) -> None:
    assert select_files(QUANTS, "a/b", wanted) == (expected,)


ONNX = [
    *("cpu/int4/genai_config.json", "cpu/int4/model.onnx", "cpu/int4/model.onnx.data"),
    *("cuda/int4/genai_config.json", "cuda/int4/model.onnx", "cuda/int4/model.onnx_data_1"),
]


def test_an_onnx_model_by_its_folder() -> None:
    assert select_files([*ONNX, "cpu/int4/README.md"], "a/b", "cpu/int4") == tuple(ONNX[:3])
    assert select_files(ONNX, "a/b", "CUDA/int4") == tuple(ONNX[3:])


def test_a_lone_onnx_model_needs_no_name_and_weights_win_over_it() -> None:
    lone = ["genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json"]
    assert select_files([*lone, "onnx/model.onnx"], "a/b", None) == tuple(lone)
    weights = ["config.json", "model.safetensors"]
    assert select_files([*lone[:3], *weights], "a/b", None) == tuple(weights)
    assert select_files([*lone, "Tiny.gguf"], "a/b", None) == ("Tiny.gguf",)


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (QUANTS, None, "several GGUF files, name one: a/b:Tiny-Q4_0.gguf, "),
        (QUANTS, "Q4", "no GGUF file Q4; it has a/b:Tiny-Q4_0.gguf"),
        ([*QUANTS, "UD-Q4_0.gguf"], "q4_0", "several files of a/b, name one: a/b:Tiny-Q4_0.gguf"),
        (["x-Q8_0-00001-of-00001.gguf"], "Q8_0", "one part of a split GGUF"),
        (["model.safetensors"], None, "no config.json"),
        (["config.json", "model.safetensors"], "Q4_0", "no GGUF file, so"),
        (["config.json", "pytorch_model.bin"], None, "neither safetensors nor GGUF"),
        (["config.json", "weights.safetensors"], None, "has weights.safetensors, but only model."),
        (["config.json", *SHARDS], None, f"{SHARDS[1]}, but only model.safetensors, or {INDEX}"),
        (["config.json", INDEX, "a.safetensors"], None, "has a.safetensors, but only"),
        ([f"{i}.safetensors" for i in range(6)], None, "3.safetensors and 2 more, but only"),
        (["config.json", "..\\model.safetensors"], None, "neither safetensors nor GGUF"),
        (["C:tiny.gguf"], None, "neither safetensors nor GGUF"),
        ([], None, "neither safetensors nor GGUF"),
        (ONNX, None, "several ONNX models, name one: a/b:cpu/int4, a/b:cuda/int4"),
        (ONNX, "int4", "several ONNX models, name one: a/b:cpu/int4, a/b:cuda/int4"),
        (ONNX, "fp16", "no ONNX model fp16; it has a/b:cpu/int4, a/b:cuda/int4"),
        (["config.json", "onnx/model_q4.onnx"], None, "ONNX graphs without a genai_config.json"),
    ],
)
def test_refusals_say_what_there_is(names: list[str], wanted: str | None, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        select_files(names, "a/b", wanted)
    assert message in str(caught.value)
