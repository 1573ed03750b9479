"""Exports of random decoders that embed or judge, compared with transformers on each text alone.

Needs torch and transformers: `tox -e export` has them.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="the export extra is not installed")

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaTokenizerFast,
)

from export.decoder.families import read_spec
from export.decoder.precision import Precision
from export.encoder.families import EMBEDDING_DECODERS
from export.errors import ExportError
from export.pipeline import run
from export.progress import Progress, Style
from export.recipe import Job
from tests.live.serving import Service
from tests.tiny_decoders import CONFIGS, Config
from tests.tiny_embedders import END, PAD, byte_tokenizer, write_sentence_files

TEXTS = ["a", "What is glass?", "The history of glass begins with sand and fire."]
NAMES = {config["model_type"]: name for name, config in reversed(list(CONFIGS.items()))}
"""A config of each family."""


def random_model(kind: Any, config: Config, folder: Path) -> Any:  # noqa: ANN401
    """Written to `folder`, with a tokenizer of bytes."""
    torch.manual_seed(3)
    sized = config | {"vocab_size": 260, "pad_token_id": PAD}
    values = {key: value for key, value in sized.items() if key != "model_type"}
    model = kind.from_config(
        AutoConfig.for_model(config["model_type"], **values), attn_implementation="eager"
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                weight.add_(torch.empty_like(weight).uniform_(-0.5, 0.5))
            else:
                weight.normal_(0, 0.1 if name.endswith("bias") else 0.2)
    model.eval().save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(byte_tokenizer(closes=True)))
    return model


def export(source: Path, models: Path) -> None:
    job = Job(str(source), models, name="tiny", precision=Precision.FP32)
    run(job, Progress(io.StringIO(), Style.LINES))


def output_of(model: Any, text: str) -> Any:  # noqa: ANN401
    """Of one text: `[S, D]` of its tokens, or its logit."""
    with torch.inference_mode():
        return model(torch.tensor([[*text.encode(), END]]))[0][0]


@pytest.mark.parametrize("family", sorted(EMBEDDING_DECODERS))
def test_vectors_are_those_of_transformers(served: Service, tmp_path: Path, family: str) -> None:
    source, models = tmp_path / "source", tmp_path / "models"
    model = random_model(AutoModel, CONFIGS[NAMES[family]], source)
    write_sentence_files(source)
    export(source, models)
    vectors = served.embed(models, "tiny", TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        expected = output_of(model, text)[-1].numpy()
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_scores_are_those_of_transformers(served: Service, tmp_path: Path, family: str) -> None:
    source, models = tmp_path / "source", tmp_path / "models"
    config = CONFIGS[NAMES[family]] | {"num_labels": 1}
    model = random_model(AutoModelForSequenceClassification, config, source)
    export(source, models)
    scores = served.rank(models, "tiny", "What is it?", TEXTS)
    for text, score in zip(TEXTS, scores, strict=True):
        expected = torch.sigmoid(output_of(model, "What is it?" + text)).item()
        assert score == pytest.approx(expected, abs=1e-4)


def test_a_config_that_is_read_otherwise_than_transformers_does_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, models = tmp_path / "source", tmp_path / "models"
    random_model(AutoModel, CONFIGS["qwen3"], source)
    write_sentence_files(source)
    wrong = read_spec(CONFIGS["qwen3"] | {"vocab_size": 260, "rope_theta": 100.0})
    monkeypatch.setattr("export.embedder.recipe.read_spec", lambda _: wrong)
    with pytest.raises(ExportError, match="transformers computes something else"):
        export(source, models)
    assert not (models / "tiny").exists()


def test_texts_end_as_transformers_ends_them(tmp_path: Path) -> None:
    """Its class for Llama's tokenizers goes by the settings beside tokenizer.json."""
    source, models = tmp_path / "source", tmp_path / "models"
    random_model(AutoModel, CONFIGS["mistral"], source)
    write_sentence_files(source)
    tokenizer = LlamaTokenizerFast(
        tokenizer_file=str(source / "tokenizer.json"),
        bos_token="<|end|>",
        eos_token="<|end|>",
        add_bos_token=True,
        add_eos_token=True,
    )
    tokenizer.save_pretrained(source)
    expected = AutoTokenizer.from_pretrained(source)("glass").input_ids
    export(source, models)
    own = json.loads((models / "tiny" / "latest" / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(own))
    made = AutoTokenizer.from_pretrained(source).backend_tokenizer.from_file(
        str(tmp_path / "tokenizer.json")
    )
    assert made.encode("glass").ids == expected
