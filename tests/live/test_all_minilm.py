"""The real all-MiniLM-L6-v2: out of its wheel, exported, served, compared with transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optimum.exporters.onnx", reason="the export extra is not installed")

import torch
from transformers import AutoModel, AutoTokenizer

from export.pipeline import DOWNLOADS
from export.progress import Progress
from export.sources.resolver import resolve
from service.store.packages import Store
from tests.conftest import CACHE, ROOT
from tests.live.serving import Service

NAME = "all-minilm"

TEXTS = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "Quantum error correction protects information from decoherence. " * 8,
    "été 東京 🙂",
]


@pytest.fixture(scope="module")
def store() -> Path:
    """In a process of its own, as a user does it."""
    command = [sys.executable, "-m", "export", NAME, "--models", str(CACHE)]
    finished = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert "cosine 0.99999" in finished.stdout
    assert "Warning" not in finished.stderr
    return CACHE


def test_the_manifest_says_what_the_files_say(store: Path) -> None:
    manifest = Store(store).encoder(NAME).manifest
    assert (manifest.precision, manifest.context_length) == ("fp32", 256)
    assert (manifest.source.kind, manifest.source.license) == ("pypi", "Apache-2.0")
    assert manifest.embedding is not None
    assert (manifest.embedding.dimensions, manifest.embedding.pooling) == (384, "mean")
    assert manifest.embedding.normalized
    assert not manifest.embedding.matryoshka


def test_vectors_are_those_of_transformers(store: Path, served: Service) -> None:
    source = resolve(NAME).fetch(store / DOWNLOADS, Progress.on(sys.stderr)).path
    model, tokenizer = AutoModel.from_pretrained(source), AutoTokenizer.from_pretrained(source)

    together = served.embed(store, NAME, TEXTS)
    for alone, vector in zip(served.embed_each(store, NAME, TEXTS), together, strict=True):
        assert alone @ vector > 0.99999
    for text, vector in zip(TEXTS, together, strict=True):
        with torch.inference_mode():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        expected = torch.nn.functional.normalize(hidden.mean(0), dim=0).numpy()
        assert vector @ expected > 0.9999
