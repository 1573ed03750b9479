"""GGUF files of every architecture predict what llama.cpp predicts with them.

The models are tiny and random, with all that their architecture has: windows shorter than the
prompt, soft-capping, YaRN, long RoPE, rotation of a part, scaled positions.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.decoder.context import with_context
from export.decoder.families import FAMILIES, read_spec
from export.decoder.reference import Reference
from tests.unit.export.checkpoints.gguf.architecture_cases import CASES
from tests.unit.export.checkpoints.gguf.tiny_model import PREDICTED, PROMPTS, write_model

GOLDEN = Path(__file__).parents[3] / "golden" / "gguf_logprobs.json"
WITH_GELU = ("gemma", "gemma2", "gemma3", "starcoder2")
"""llama.cpp looks GELU up in a table of float16."""


COMPARED = [name for name in PREDICTED if CASES[name].config["model_type"] in FAMILIES]


@pytest.mark.parametrize("name", COMPARED)
def test_log_probabilities_are_those_of_llama_cpp(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    path = write_model(
        tmp_path / "tiny.gguf",
        case.prefix,
        case.shapes,
        case.metadata,
        case.num_layers,
        case.tensors,
    )
    checkpoint = GgufCheckpoint(path)
    reference = Reference(with_context(read_spec(checkpoint.config), 64), checkpoint)
    for prompt, expected in zip(PROMPTS, json.loads(GOLDEN.read_text("utf-8"))[name], strict=True):
        logits = reference.logits(prompt)[-1].astype(np.float64)
        log_probabilities = logits - np.logaddexp.reduce(logits)
        tolerance = 2e-3 if name in WITH_GELU else 5e-5
        np.testing.assert_allclose(log_probabilities, expected, rtol=0, atol=tolerance)
