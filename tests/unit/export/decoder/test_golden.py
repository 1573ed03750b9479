"""What transformers computes from the same folder, by numpy and by the exported graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.open import open_checkpoint
from export.decoder.families import read_spec
from export.decoder.reference import Reference
from tests.unit.export.decoder.tiny import Decoder, build, session
from tests.unit.export.golden_llama import FOLDERS, expected

TOLERANCE = 1e-4


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_the_reference_computes_what_transformers_does(folder: Path) -> None:
    checkpoint, golden = open_checkpoint(folder), expected(folder)
    logits = Reference(read_spec(checkpoint.config), checkpoint).logits(golden.token_ids)
    np.testing.assert_allclose(logits, golden.logits, atol=TOLERANCE)


@pytest.mark.parametrize("chunk", [64, 17, 1])
def test_the_graph_computes_what_transformers_does(
    tmp_path: Path, folder: Path, chunk: int
) -> None:
    checkpoint, golden = open_checkpoint(folder), expected(folder)
    spec = read_spec(checkpoint.config)
    decoder = Decoder(session(build(tmp_path, spec, checkpoint)), spec, slot_length=64)
    for start in range(0, len(golden.token_ids), chunk):
        new = golden.token_ids[start : start + chunk]
        end = start + len(new)
        logits = decoder.step([new], [end])[0]
        np.testing.assert_allclose(logits, golden.logits[start:end], atol=TOLERANCE)
