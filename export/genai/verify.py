"""Checks that an imported graph says through our inputs what it says through its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.checkpoints.json_file import one_line
from export.errors import ExportError
from export.genai.config import Decoder
from export.genai.run import GenaiGraph
from export.verify import compare
from export.verify_prompt import NUM_DECODED
from export.verify_run import run_in_chunks

_TOLERANCE_NATS = 0.02
"""The same kernels compute both; how many tokens they see at once may round differently."""


def verify_import(original: Path, ours: Path, decoder: Decoder, prompt: Sequence[int]) -> str:
    """Reads `prompt` and decodes greedily, whole through the one and in chunks through the other.

    Returns what was found, for people. Raises ExportError if they say different things.
    """
    try:
        graph = GenaiGraph(original, decoder)
        token_ids = list(prompt)
        rows = [graph.feed(token_ids, len(token_ids))]
        for _ in range(NUM_DECODED):
            token_ids.append(int(rows[-1][-1].argmax()))
            rows.append(graph.feed(token_ids[-1:], len(token_ids)))
        actual = run_in_chunks(ours, token_ids, len(prompt))
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise ExportError(f"ONNX Runtime refuses the graph: {one_line(str(error), 300)}") from error
    with np.errstate(over="ignore", invalid="ignore"):
        result = compare(np.concatenate(rows), actual)
    if not result.mean_divergence <= _TOLERANCE_NATS:
        raise ExportError(
            "the imported graph computes something else through the service's inputs: its logits "
            f"diverge by {result.mean_divergence:.3g} nats per token"
        )
    return (
        f"imported as it is: through the service's inputs, the same likeliest token at "
        f"{result.agreement:.0%} of the positions"
    )
