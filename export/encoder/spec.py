"""What an encoder is, read once from its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from export.checkpoints.base import JsonValue
from export.checkpoints.folder import ModelFolder
from export.decoder.config import ConfigReader
from export.encoder.families import EMBEDDING_DECODERS, ENCODERS, keys_of
from export.encoder.sentence_transformers import MODULES_FILE, read_sentences
from export.errors import ExportError
from service.store.manifest import Embedding, EncoderArchitecture

_CROSS_ENCODER = "ForSequenceClassification"

_LARGEST_LENGTH = 1_000_000
"""Tokenizers without a limit name one of 10^30."""


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """An encoder to be exported. Without an `embedding` it is a cross-encoder."""

    architecture: EncoderArchitecture
    context_length: int
    lower_case: bool
    embedding: Embedding | None


def is_encoder(path: Path) -> bool:
    """Whether `path` holds the weights of an encoder. Raises ExportError for a bad config."""
    if not path.is_dir():
        return False
    folder = ModelFolder(path)
    config = folder.read_json("config.json")
    return (
        str(config.get("model_type")) in ENCODERS
        or folder.find(MODULES_FILE) is not None
        or _is_cross_encoder(config)
    )


def read_encoder_spec(folder: ModelFolder) -> EncoderSpec:
    """Raises ExportError, by name, for a model that is not supported."""
    values = folder.read_json("config.json")
    config = ConfigReader(values)
    family = config.text("model_type")
    is_cross_encoder = _is_cross_encoder(values)
    supported = ENCODERS | EMBEDDING_DECODERS
    if family not in supported:
        raise ExportError(
            f"encoders of the type {family!r} are not supported; supported are "
            f"{', '.join(sorted(supported))}"
        )
    keys = keys_of(family)
    architecture = EncoderArchitecture(
        family=family,
        num_layers=config.integer(keys.num_layers),
        hidden_size=config.integer(keys.hidden_size),
        vocab_size=config.integer("vocab_size"),
    )
    if is_cross_encoder:
        _check_one_label(config)
        length = _context_length(folder, config, None)
        return EncoderSpec(architecture, length, lower_case=False, embedding=None)
    sentences = read_sentences(folder)
    sizes = _matryoshka_dimensions(config)
    embedding = Embedding(
        dimensions=architecture.hidden_size,
        pooling=sentences.pooling,
        normalized=sentences.normalized,
        matryoshka=bool(sizes) or config.flag("is_matryoshka", False),
        matryoshka_dimensions=tuple(size for size in sizes if size <= architecture.hidden_size),
        prompts=dict(sentences.prompts),
        default_prompt=sentences.default_prompt,
    )
    length = _context_length(folder, config, sentences.max_seq_length)
    return EncoderSpec(architecture, length, sentences.lower_case, embedding)


def _is_cross_encoder(config: Mapping[str, JsonValue]) -> bool:
    names = config.get("architectures")
    return isinstance(names, list) and any(str(name).endswith(_CROSS_ENCODER) for name in names)


def _check_one_label(config: ConfigReader) -> None:
    """transformers keeps the number of labels as the length of `id2label`, and 2 without it."""
    labels = config.section("id2label")
    count = 2 if labels is None else len(labels.values)
    if config.values.get("num_labels") is not None:
        count = config.integer("num_labels")
    if count != 1:
        raise ExportError(
            f"a classifier of {count} labels is no reranker; supported are those with one label"
        )


def _matryoshka_dimensions(config: ConfigReader) -> tuple[int, ...]:
    sizes = config.values.get("matryoshka_dimensions")
    if not isinstance(sizes, list):
        return ()
    reader = ConfigReader({str(i): size for i, size in enumerate(sizes)}, "matryoshka_dimensions")
    return tuple(sorted(reader.integer(str(i)) for i in range(len(sizes))))


def _context_length(folder: ModelFolder, config: ConfigReader, stated: int | None) -> int:
    """What the model's files state, but never more than it has positions for."""
    positions = config.integer("max_position_embeddings")
    if keys_of(config.text("model_type")).positions_before_first:
        positions -= config.integer("pad_token_id", 1) + 1
    if stated is None:
        known = folder.read_json("tokenizer_config.json").get("model_max_length")
        is_limit = isinstance(known, int | float) and 0 < known < _LARGEST_LENGTH
        stated = int(known) if is_limit and isinstance(known, int | float) else positions
    if min(stated, positions) < 1:
        raise ExportError(f"the model reads {min(stated, positions)} tokens at most")
    return min(stated, positions)
