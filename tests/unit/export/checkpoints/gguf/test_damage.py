"""Damaged files of architectures with more metadata than Llama's are refused, or harmless."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.decoder.families import FAMILIES, read_spec
from tests.unit.export.checkpoints.gguf.architecture_cases import CASES
from tests.unit.export.checkpoints.gguf.tiny_model import write_model
from tests.unit.export.checkpoints.mutations import edits, opens_or_refuses

HEADER_BYTES = 3000


def use(path: Path) -> None:
    checkpoint = GgufCheckpoint(path)
    checkpoint.tokenizer()
    for name in checkpoint.names():
        checkpoint.tensor(name)


@pytest.fixture(params=["gemma3", "phi3", "qwen3 with experts"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    case = CASES[request.param]
    path = tmp_path / "whole.gguf"
    write_model(path, case.prefix, case.shapes, case.metadata, case.num_layers, case.tensors)
    return path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path: Path, content: bytes, data: st.DataObject) -> None:
    damaged = data.draw(edits(content[:HEADER_BYTES])) + content[HEADER_BYTES:]
    opens_or_refuses(tmp_path / "m.gguf", damaged, use)


def test_the_files_are_whole_before_they_are_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.gguf"
    assert opens_or_refuses(path, content, use)
    config = GgufCheckpoint(path).config
    if config["model_type"] in FAMILIES:
        read_spec(config)
