"""Which decoders are read whole, and what their files say of the vectors they make."""

from __future__ import annotations

from pathlib import Path

from export.catalog import Entry
from export.checkpoints.base import Checkpoint
from export.checkpoints.folder import ModelFolder
from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.decoder.config import ConfigReader
from export.decoder.spec import DecoderSpec
from export.encoder.families import EMBEDDING_DECODERS
from export.encoder.spec import EncoderSpec, is_encoder, read_encoder_spec
from export.errors import ExportError
from service.store.manifest import Embedding, EncoderArchitecture, Pooling


def is_embedder(path: Path) -> bool:
    """Whether the folder `path` holds a decoder that makes vectors or judges pairs."""
    return is_encoder(path) and str(_config(path).get("model_type")) in EMBEDDING_DECODERS


def pooling_of(checkpoint: Checkpoint, entry: Entry | None) -> Pooling | None:
    """How a GGUF file's model makes vectors, None where it does not or is no such file's."""
    if not isinstance(checkpoint, GgufCheckpoint):
        return None
    if checkpoint.pooling is None and entry is not None and entry.embedding is not None:
        return entry.embedding.pooling
    return checkpoint.pooling


def read_embedder_spec(
    path: Path, checkpoint: Checkpoint, decoder: DecoderSpec, pooling: Pooling | None
) -> EncoderSpec:
    """`pooling` is that of a GGUF file; what a folder holds says all of it itself.

    Raises ExportError, by name, for what is not supported.
    """
    require_causal(ConfigReader(checkpoint.config))
    if pooling is None:
        return read_encoder_spec(ModelFolder(path))
    return EncoderSpec(
        architecture=EncoderArchitecture(
            family=decoder.family,
            num_layers=decoder.num_layers,
            hidden_size=decoder.hidden_size,
            vocab_size=decoder.vocab_size,
        ),
        context_length=decoder.context_length,
        lower_case=False,
        # llama.cpp normalises unless told not to.
        embedding=Embedding(dimensions=decoder.hidden_size, pooling=pooling, normalized=True),
    )


def require_causal(config: ConfigReader) -> None:
    """Raises ExportError for a decoder whose tokens see those behind them."""
    if not config.flag("is_causal", True):
        raise ExportError("a decoder that attends in both directions is not supported")


def _config(path: Path) -> dict[str, object]:
    return dict(ModelFolder(path).read_json("config.json"))
