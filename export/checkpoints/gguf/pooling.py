"""How a GGUF file says that its model makes vectors of texts instead of continuing them.

Source: llama.cpp's `enum llama_pooling_type`.
"""

from __future__ import annotations

from collections.abc import Mapping

from export.checkpoints.gguf.metadata import Metadata
from export.errors import ExportError
from service.store.manifest import Pooling

_POOLINGS: Mapping[int, Pooling | None] = {0: None, 1: "mean", 2: "cls", 3: "lasttoken"}
_RANK = 4


def read_pooling(metadata: Metadata, prefix: str) -> Pooling | None:
    """None for a model that generates text. Raises ExportError for rerankers, for poolings that
    are not known, and for attention that is not causal."""
    if not metadata.flag(f"{prefix}.attention.causal", True):
        raise ExportError(
            f"{metadata.path}: a decoder that attends in both directions is not supported"
        )
    key = f"{prefix}.pooling_type"
    kind = metadata.integer(key, 0)
    if kind == _RANK:
        raise ExportError(f"{metadata.path}: rerankers in GGUF files are not supported")
    if kind not in _POOLINGS:
        raise metadata.error(key, f"is {kind}, which is no pooling that is known")
    return _POOLINGS[kind]
