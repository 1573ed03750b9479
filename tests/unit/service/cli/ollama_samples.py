"""Stores as an Ollama leaves them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MEDIA = "application/vnd.ollama.image."


def add_model(root: Path, place: str, **layers: bytes) -> None:
    """Adds a model whose manifest lies at `place`, of layers by their kind."""
    written = [
        {"mediaType": f"{MEDIA}{kind}", "digest": _blob(root, content), "size": len(content)}
        for kind, content in layers.items()
    ]
    path = root / "manifests" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest = {"schemaVersion": 2, "config": {"digest": _blob(root, b"{}")}, "layers": written}
    path.write_text(json.dumps(manifest))


def _blob(root: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    path = root / "blobs" / f"sha256-{digest}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"sha256:{digest}"
