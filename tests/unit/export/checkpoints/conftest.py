"""Temporary: the session's own `smollm2_gguf` fixture belongs in tests/conftest.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    location = os.environ.get("RETORT_TEST_GGUF")
    if location is None:
        pytest.skip("RETORT_TEST_GGUF does not name SmolLM2's GGUF file")
    return Path(location)
