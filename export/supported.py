"""What can be exported; asked before anything large is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from export.catalog import Entry, Kind
from export.checkpoints.folder import ModelFolder
from export.decoder.families import FAMILIES, read_spec
from export.encoder.families import EMBEDDING_DECODERS, ENCODERS
from export.encoder.spec import is_encoder, read_encoder_spec
from export.errors import ExportError
from export.genai.config import read_genai_config
from export.sources.genai_files import GENAI_CONFIG

VISION: frozenset[str] = frozenset()
"""The `model_type`s of models that read images."""

_ARCHITECTURES: Mapping[Kind, Set[str]] = {
    "chat": FAMILIES.keys(),
    "completion": FAMILIES.keys(),
    "vision": VISION,
    "embedding": ENCODERS | EMBEDDING_DECODERS,
    "rerank": ENCODERS | EMBEDDING_DECODERS,
}


def refusal(entry: Entry) -> str | None:
    """Why the model cannot be exported, None if it can."""
    if entry.unsupported:
        return entry.unsupported
    if entry.architecture in _ARCHITECTURES[entry.kind]:
        return None
    if entry.kind == "vision":
        return f"models that read images as {entry.architecture!r} does are not supported"
    return f"its architecture {entry.architecture!r} is not supported"


def require_supported(entry: Entry) -> None:
    """Raises ExportError, by name and with the reason, for what cannot be exported."""
    if reason := refusal(entry):
        raise ExportError(f"{entry.name} cannot be exported: {reason}")


def require_supported_folder(path: Path) -> None:
    """As `require_supported`, by the configs in `path`, where weights need not be yet."""
    folder = ModelFolder(path)
    if (path / GENAI_CONFIG).is_file():
        read_genai_config(path)
    elif is_encoder(path):
        read_encoder_spec(folder)
    elif (path / "config.json").is_file():
        read_spec(folder.read_json("config.json"))
