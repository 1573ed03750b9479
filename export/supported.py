"""Which rows of the catalogue can be exported; asked before anything is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Set

from export.catalog import Entry, Kind
from export.decoder.families import FAMILIES
from export.encoder.families import EMBEDDING_DECODERS, ENCODERS
from export.errors import ExportError

VISION: frozenset[str] = frozenset()
"""The `model_type`s of models that read images."""

_ARCHITECTURES: Mapping[Kind, Set[str]] = {
    "chat": FAMILIES.keys(),
    "completion": FAMILIES.keys(),
    "vision": VISION,
    "embedding": ENCODERS | EMBEDDING_DECODERS,
    "rerank": ENCODERS,
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
