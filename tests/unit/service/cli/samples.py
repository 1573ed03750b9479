"""A package that takes no time to load."""

from __future__ import annotations

from pathlib import Path

TINY_EMBEDDER = Path(__file__).parents[3] / "golden" / "tiny_encoders" / "tiny-embedder" / "latest"
