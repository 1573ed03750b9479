"""A package that takes no time to load, and what is no text."""

from __future__ import annotations

from pathlib import Path

TINY_EMBEDDER = Path(__file__).parents[3] / "golden" / "tiny_encoders" / "tiny-embedder" / "latest"

NO_TEXT = b"\xff\xfe".decode(errors="surrogateescape")
"""Bytes that are no UTF-8, as Python has them that were typed or given as an argument."""
