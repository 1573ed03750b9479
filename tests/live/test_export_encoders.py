"""Exports of random encoders by optimum, served and compared with transformers on each text alone.

Needs the `export` extra: `tox -e export` has it.
"""

from __future__ import annotations

import inspect
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("optimum.exporters.onnx", reason="the export extra is not installed")

import torch
from transformers import (
    AlbertConfig,
    AutoTokenizer,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from export.decoder.precision import Precision
from export.encoder.families import ENCODERS
from export.errors import ExportError
from export.pipeline import Exported, run
from export.progress import Progress, Style
from export.recipe import Job
from tests.live.serving import Service
from tests.tiny_encoders import (
    SHAPE,
    random_model,
    write_bert_tokenizer,
    write_mpnet_tokenizer,
    write_roberta_tokenizer,
    write_sentence_transformers,
)

TEXTS = [
    "a",
    "What is glass?",
    "The history of glass begins with sand",
    "water, and the rest of it",
    "the",
]


class Family(NamedTuple):
    config: Callable[[], PretrainedConfig]
    write_tokenizer: Callable[[Path], None]


# RoBERTa's positions begin behind the id of its padding.
FAMILIES = {
    "bert": Family(lambda: BertConfig(**SHAPE, max_position_embeddings=64), write_bert_tokenizer),
    "distilbert": Family(
        lambda: DistilBertConfig(vocab_size=128, dim=16, n_layers=2, n_heads=2, hidden_dim=32),
        write_bert_tokenizer,
    ),
    "roberta": Family(
        lambda: RobertaConfig(**SHAPE, max_position_embeddings=66), write_roberta_tokenizer
    ),
    "xlm-roberta": Family(
        lambda: XLMRobertaConfig(**SHAPE, max_position_embeddings=66), write_roberta_tokenizer
    ),
    "mpnet": Family(
        lambda: MPNetConfig(**SHAPE, max_position_embeddings=66), write_mpnet_tokenizer
    ),
    "albert": Family(
        lambda: AlbertConfig(**SHAPE, embedding_size=8, max_position_embeddings=64),
        write_bert_tokenizer,
    ),
    "camembert": Family(
        lambda: CamembertConfig(**SHAPE, max_position_embeddings=66), write_roberta_tokenizer
    ),
    "deberta-v2": Family(
        lambda: DebertaV2Config(
            **SHAPE,
            max_position_embeddings=64,
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
            position_buckets=8,
            position_biased_input=False,
        ),
        write_bert_tokenizer,
    ),
    "electra": Family(
        lambda: ElectraConfig(**SHAPE, embedding_size=8, max_position_embeddings=64),
        write_bert_tokenizer,
    ),
    "modernbert": Family(
        lambda: ModernBertConfig(
            **SHAPE,
            max_position_embeddings=64,
            local_attention=8,
            pad_token_id=0,
            cls_token_id=2,
            sep_token_id=3,
            bos_token_id=2,
            eos_token_id=3,
        ),
        write_bert_tokenizer,
    ),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def export(source: Path, models: Path, precision: Precision | None = None) -> Exported:
    job = Job(str(source), models, name="tiny", precision=precision)
    return run(job, Progress(io.StringIO(), Style.LINES))


def output_of(model: Any, source: Path, *texts: str) -> torch.Tensor:  # noqa: ANN401
    """What transformers computes of one text or pair: `[S, D]` of its tokens, or its logit."""
    inputs = AutoTokenizer.from_pretrained(source)(*texts, return_tensors="pt")
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        output: torch.Tensor = model(**inputs)[0][0]
    return output


POOLINGS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean_tokens": lambda hidden: hidden.mean(0),
    "cls_token": lambda hidden: hidden[0],
    "max_tokens": lambda hidden: hidden.amax(0),
    "lasttoken": lambda hidden: hidden[-1],
}


def check(
    served: Service,
    models: Path,
    source: Path,
    model: Any,  # noqa: ANN401
    pooling: str,
    *,
    normalize: bool,
) -> None:
    """The service's vectors of all texts at once are transformers' of each alone."""
    actual = served.embed(models, "tiny", TEXTS)
    for text, vector in zip(TEXTS, actual, strict=True):
        expected = POOLINGS[pooling](output_of(model, source, text)).numpy()
        cosine = vector @ expected / np.linalg.norm(vector) / np.linalg.norm(expected)
        assert cosine > 0.9999
        length = 1 if normalize else float(np.linalg.norm(expected))
        assert np.linalg.norm(vector) == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_those_of_transformers(
    served: Service, source: Path, models: Path, family: str
) -> None:
    make_config, write_tokenizer = FAMILIES[family]
    write_tokenizer(source)
    model = random_model(make_config(), source)
    write_sentence_transformers(source, max_seq_length=64)
    exported = export(source, models)
    assert exported.precision is Precision.FP32
    assert "cosine 0.9999" in exported.verification
    check(served, models, source, model, "mean_tokens", normalize=True)


def test_every_family_that_is_supported_is_tested() -> None:
    assert FAMILIES.keys() == ENCODERS


@pytest.mark.parametrize("pooling", ["cls_token", "max_tokens", "lasttoken"])
def test_each_pooling_without_normalisation(
    served: Service, source: Path, models: Path, pooling: str
) -> None:
    write_bert_tokenizer(source)
    model = random_model(FAMILIES["bert"].config(), source)
    write_sentence_transformers(source, pooling=pooling, normalize=False, max_seq_length=64)
    export(source, models)
    check(served, models, source, model, pooling, normalize=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_transformers(
    served: Service, source: Path, models: Path, family: str
) -> None:
    FAMILIES[family].write_tokenizer(source)
    config = FAMILIES[family].config()
    config.num_labels = 1
    model = random_model(config, source, width=1.0)
    exported = export(source, models)
    assert "scores differ by" in exported.verification
    actual = served.rank(models, "tiny", "what is it?", TEXTS)
    for text, score in zip(TEXTS, actual, strict=True):
        expected = torch.sigmoid(output_of(model, source, "what is it?", text)).item()
        assert score == pytest.approx(expected, abs=1e-4)


def test_int8_tells_its_loss_and_serves(served: Service, source: Path, models: Path) -> None:
    write_bert_tokenizer(source)
    random_model(FAMILIES["bert"].config(), source)
    write_sentence_transformers(source, max_seq_length=64)
    exported = export(source, models, Precision.INT8)
    assert "cosine 0.9" in exported.verification
    assert "1.0 on average" not in exported.verification
    together = served.embed(models, "tiny", TEXTS)
    for alone, vector in zip(served.embed_each(models, "tiny", TEXTS), together, strict=True):
        assert alone @ vector > 0.99999


def test_text_is_lower_cased_where_the_files_say_so(
    served: Service, source: Path, models: Path
) -> None:
    write_roberta_tokenizer(source)
    random_model(FAMILIES["roberta"].config(), source)
    write_sentence_transformers(source, max_seq_length=64)
    limits = source / "sentence_bert_config.json"
    limits.write_text(limits.read_text().replace("false", "true"))
    export(source, models)
    upper = served.embed(models, "tiny", ["WHAT is Glass?"])
    lower = served.embed(models, "tiny", ["what is glass?"])
    np.testing.assert_array_equal(upper, lower)


def test_a_folder_without_tokenizer_json_gets_one(
    served: Service, source: Path, models: Path
) -> None:
    write_bert_tokenizer(source)
    model = random_model(FAMILIES["bert"].config(), source)
    write_sentence_transformers(source, max_seq_length=64)
    (source / "tokenizer.json").unlink()
    export(source, models)
    check(served, models, source, model, "mean_tokens", normalize=True)


def test_weights_that_lack_a_part_are_refused(source: Path, models: Path) -> None:
    """transformers would make it up at random."""
    write_bert_tokenizer(source)
    config = FAMILIES["bert"].config()
    random_model(config, source)
    config.num_labels = 1
    config.architectures = ["BertForSequenceClassification"]
    config.save_pretrained(source)
    with pytest.raises(ExportError, match=r"the weights do not hold classifier\."):
        export(source, models)
    assert not (models / "tiny").exists()


def test_a_tokenizer_of_another_model_is_refused(source: Path, models: Path) -> None:
    write_bert_tokenizer(source)
    random_model(BertConfig(**(SHAPE | {"vocab_size": 50}), max_position_embeddings=64), source)
    write_sentence_transformers(source, max_seq_length=64)
    with pytest.raises(ExportError, match="the tokenizer does not belong to the weights"):
        export(source, models)


def test_an_interrupted_export_leaves_what_stood(
    source: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bert_tokenizer(source)
    random_model(FAMILIES["bert"].config(), source)
    write_sentence_transformers(source, max_seq_length=64)
    export(source, models)
    before = (models / "tiny" / "latest" / "manifest.json").read_bytes()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("export.encoder.recipe.verify_encoder", fail)
    with pytest.raises(KeyboardInterrupt):
        export(source, models)
    assert (models / "tiny" / "latest" / "manifest.json").read_bytes() == before
    assert {path.suffix for path in (models / ".staging").iterdir()} == {".lock"}
    shutil.rmtree(models)
