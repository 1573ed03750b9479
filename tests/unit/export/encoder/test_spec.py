"""What an encoder is, from its config."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.checkpoints.folder import ModelFolder
from export.embedder.spec import is_embedder
from export.encoder.spec import EncoderSpec, is_encoder, read_encoder_spec
from export.errors import ExportError
from tests.unit.export.encoder.test_sentence_transformers import write

BERT: dict[str, object] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "vocab_size": 100,
    "max_position_embeddings": 64,
}
RANKER = BERT | {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}


def configure(folder: Path, config: dict[str, object], **tokenizer: object) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def read(folder: Path) -> EncoderSpec:
    return read_encoder_spec(ModelFolder(folder))


def embedder(
    folder: Path, max_seq_length: int | None = None, changes: dict[str, object] | None = None
) -> EncoderSpec:
    write(
        folder,
        "Transformer",
        "Pooling",
        "Normalize",
        sentence_bert_config={"max_seq_length": max_seq_length},
    )
    configure(folder, BERT | (changes or {}))
    return read(folder)


def test_an_embedding_model(tmp_path: Path) -> None:
    spec = embedder(tmp_path, 32)
    assert (spec.architecture.family, spec.architecture.num_layers) == ("bert", 2)
    assert (spec.architecture.vocab_size, spec.context_length) == (100, 32)
    assert spec.embedding is not None
    assert (spec.embedding.dimensions, spec.embedding.pooling) == (16, "mean")
    assert spec.embedding.normalized
    assert not spec.embedding.matryoshka


def test_a_cross_encoder_needs_no_file_of_sentence_transformers(tmp_path: Path) -> None:
    configure(tmp_path, RANKER, model_max_length=48)
    spec = read(tmp_path)
    assert spec.embedding is None
    assert spec.context_length == 48


@pytest.mark.parametrize(
    ("labels", "count"),
    [(None, 2), ({"0": "no", "1": "yes"}, 2), ({"0": "a", "1": "", "2": ""}, 3)],
)
def test_a_classifier_is_no_reranker(
    tmp_path: Path, labels: dict[str, str] | None, count: int
) -> None:
    configure(tmp_path, RANKER | {"id2label": labels})
    with pytest.raises(ExportError, match=f"a classifier of {count} labels is no reranker"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("stated", "changes", "expected"),
    [
        (None, {}, 64),
        (1000, {}, 64),
        (None, {"model_type": "roberta", "max_position_embeddings": 66, "pad_token_id": 1}, 64),
        (None, {"model_type": "mpnet", "max_position_embeddings": 66}, 64),
        (10, {"model_type": "xlm-roberta"}, 10),
    ],
)
def test_no_text_may_be_longer_than_there_are_positions(
    tmp_path: Path, stated: int | None, changes: dict[str, object], expected: int
) -> None:
    assert embedder(tmp_path, stated, changes).context_length == expected


def test_a_model_without_a_limit_of_its_own_takes_the_tokenizers(tmp_path: Path) -> None:
    embedder(tmp_path)
    configure(tmp_path, BERT, model_max_length=20)
    assert read(tmp_path).context_length == 20
    configure(tmp_path, BERT, model_max_length=10**30)
    assert read(tmp_path).context_length == 64


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"is_matryoshka": True}, (True, ())),
        ({"is_matryoshka": True, "matryoshka_dimensions": [16, 8, 32]}, (True, (8, 16))),
        ({"matryoshka_dimensions": [4]}, (True, (4,))),
        ({"is_matryoshka": False}, (False, ())),
    ],
)
def test_matryoshka_is_what_the_config_declares(
    tmp_path: Path, changes: dict[str, object], expected: tuple[bool, tuple[int, ...]]
) -> None:
    embedding = embedder(tmp_path, changes=changes).embedding
    assert embedding is not None
    assert (embedding.matryoshka, embedding.matryoshka_dimensions) == expected


def test_families_that_were_never_compared_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="encoders of the type 'nomic_bert' are not supported"):
        embedder(tmp_path, changes={"model_type": "nomic_bert"})


def test_what_is_an_encoder(tmp_path: Path) -> None:
    decoder: dict[str, object] = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
    for config, expected in ((BERT, True), (RANKER, True), (decoder, False)):
        configure(tmp_path, config)
        assert is_encoder(tmp_path) is expected
    write(tmp_path, "Transformer", "Pooling")
    assert is_encoder(tmp_path), "a decoder that embeds"
    assert not is_encoder(tmp_path / "config.json")


@pytest.mark.parametrize("model_type", [["bert"], {}, 3])
def test_a_type_that_is_no_string_is_no_encoders(tmp_path: Path, model_type: object) -> None:
    configure(tmp_path, {"model_type": model_type})
    assert not is_encoder(tmp_path)
    assert not is_embedder(tmp_path)
    write(tmp_path, "Transformer", "Pooling")
    assert is_encoder(tmp_path)
    assert not is_embedder(tmp_path)
    with pytest.raises(ExportError, match=r"config\.model_type is .*, expected a string"):
        read_encoder_spec(ModelFolder(tmp_path))
