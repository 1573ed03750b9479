"""What sentence-transformers' files say is read, and what is not supported is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.checkpoints.folder import ModelFolder
from export.encoder.sentence_transformers import Sentences, read_sentences
from export.errors import ExportError

MEAN = {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}


def write(folder: Path, *kinds: str, pooling: object = MEAN, **files: object) -> None:
    """The modules of those kinds, each in a folder of its own but for the Transformer."""
    paths = ["" if kind == "Transformer" else f"{i}_{kind}" for i, kind in enumerate(kinds)]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def read(folder: Path) -> Sentences:
    return read_sentences(ModelFolder(folder))


def test_what_is_said_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        "Transformer",
        "Pooling",
        "Normalize",
        sentence_bert_config={"max_seq_length": 256, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "q: "}, "default_prompt_name": "query"},
    )
    assert read(tmp_path) == Sentences(
        pooling="mean",
        normalized=True,
        max_seq_length=256,
        lower_case=True,
        prompts={"query": "q: "},
        default_prompt="query",
    )


def test_what_is_not_said_is_not_made_up(tmp_path: Path) -> None:
    write(tmp_path, "Transformer", "Pooling")
    assert read(tmp_path) == Sentences(
        pooling="mean",
        normalized=False,
        max_seq_length=None,
        lower_case=False,
        prompts={},
        default_prompt=None,
    )


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_cls_token": False}, "max"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "lasttoken"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
    ],
)
def test_each_way_to_name_a_pooling(
    tmp_path: Path, pooling: dict[str, object], expected: str
) -> None:
    write(tmp_path, "Transformer", "Pooling", pooling=pooling)
    assert read(tmp_path).pooling == expected


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ({}, "pooling none is not supported"),
        ({"pooling_mode_weightedmean_tokens": True}, "pooling weightedmean_tokens is not"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "pooling mean_sqrt_len_tokens is not"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, "cls with max is not"),
        ({"pooling_mode": "median"}, "pooling median is not"),
        ({"pooling_mode_cls_token": "yes"}, "expected true or false"),
        ({**MEAN, "include_prompt": False}, "leaves the prompt out"),
    ],
)
def test_other_poolings_are_refused_by_name(
    tmp_path: Path, pooling: dict[str, object], message: str
) -> None:
    write(tmp_path, "Transformer", "Pooling", pooling=pooling)
    with pytest.raises(ExportError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    "kinds",
    [
        ("Transformer", "Pooling", "Dense", "Normalize"),
        ("Transformer", "Pooling", "LayerNorm"),
        ("Transformer",),
        ("StaticEmbedding", "Normalize"),
        (),
    ],
)
def test_other_modules_are_refused_by_name(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    write(tmp_path, *kinds)
    with pytest.raises(ExportError, match=f"its modules are {', '.join(kinds) or 'none'};"):
        read(tmp_path)


def test_without_the_files_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"there is no modules\.json, so nothing says how"):
        read(tmp_path)


@pytest.mark.parametrize("path", ["../1_Pooling", "/etc", "a/b", "", "."])
def test_a_module_cannot_lie_elsewhere(tmp_path: Path, path: str) -> None:
    write(tmp_path, "Transformer", "Pooling")
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[1]["path"] = path
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ExportError, match="is no module's folder"):
        read(tmp_path)


@pytest.mark.parametrize("content", ["{}", "null", "[1]", "[{}]", "[", '[{"type": 5}]'])
def test_malformed_modules_are_an_export_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "modules.json").write_text(content)
    with pytest.raises(ExportError):
        read(tmp_path)
