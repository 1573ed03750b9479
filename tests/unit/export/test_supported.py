"""What is refused by its configs alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from export.errors import ExportError
from export.supported import require_supported_folder
from tests.unit.export.genai.tiny import TINY
from tests.unit.export.golden_llama import TIED


def _configs(target: Path, **config: object) -> Path:
    target.mkdir()
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_models_that_can_be_exported_pass_without_weights(tmp_path: Path) -> None:
    config = json.loads((TIED / "config.json").read_text())
    require_supported_folder(_configs(tmp_path / "llama", **config))
    genai = tmp_path / "genai"
    genai.mkdir()
    shutil.copy(TINY / "genai_config.json", genai)
    require_supported_folder(genai)


def test_others_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="'mamba' is not supported"):
        require_supported_folder(_configs(tmp_path / "mamba", model_type="mamba"))
    labels = {"0": "a", "1": "b"}
    classifier = _configs(
        tmp_path / "classifier",
        model_type="bert",
        architectures=["BertForSequenceClassification"],
        num_hidden_layers=1,
        hidden_size=8,
        vocab_size=9,
        max_position_embeddings=10,
        id2label=labels,
    )
    with pytest.raises(ExportError, match="classifier of 2 labels"):
        require_supported_folder(classifier)
