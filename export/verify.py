"""Checks a package as it was written: its logits and its greedy tokens against the reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Checkpoint
from export.checkpoints.json_file import one_line
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.errors import ExportError
from export.verify_prompt import NUM_DECODED
from export.verify_run import run_behind_prefill, run_greedily
from service.store.manifest import Graphs

Floats = NDArray[np.float32]

_TOLERANCE_NATS = {
    Precision.FP32: 1e-6,
    Precision.FP16: 1e-4,
    Precision.SOURCE: 0.05,
    Precision.INT8: 0.05,
    Precision.INT4: 1.0,
}
"""The mean Kullback-Leibler divergence from the reference, above which a graph is taken for wrong.

Wrong graphs are several nats away; int8 activations alone cost 0.002 to 0.02.
"""


@dataclass(frozen=True, slots=True)
class Verification:
    """How far a package is from float32: mean and largest divergence in nats per token, and the
    share of positions where both find the same token likeliest."""

    mean_divergence: float
    max_divergence: float
    agreement: float


def verify_package(
    folder: Path,
    graphs: Graphs,
    spec: DecoderSpec,
    checkpoint: Checkpoint,
    prompt: list[int],
    precision: Precision,
) -> Verification:
    """Prefills `prompt` (see `prompt_ids`), decodes greedily, and compares every step with the
    reference; once more with the prompt read by the prefill graph, where there is one.

    Raises ExportError if the logits are not those of the weights.
    """
    decoder = folder / graphs.decoder
    try:
        token_ids, actual = run_greedily(decoder, prompt, NUM_DECODED)
        behind = (
            run_behind_prefill(folder / graphs.prefill, decoder, token_ids, NUM_DECODED)
            if graphs.prefill
            else None
        )
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise ExportError(
            f"ONNX Runtime refuses the package: {one_line(str(error), 300)}"
        ) from error
    # Infinite and undefined numbers are no accident to warn of: they show in the divergence.
    with np.errstate(over="ignore", invalid="ignore"):
        expected = Reference(spec, checkpoint).logits(token_ids[:-1])
        result = _checked(expected, actual, _TOLERANCE_NATS[precision])
        if behind is not None:
            _checked(expected[-NUM_DECODED:], behind, max(0.1, _TOLERANCE_NATS[precision]))
    return result


def _checked(expected: Floats, actual: Floats, tolerance_nats: float) -> Verification:
    result = compare(expected, actual)
    if not result.mean_divergence <= tolerance_nats:
        raise ExportError(
            f"the package computes something else than the weights it was made from: its logits "
            f"diverge by {result.mean_divergence:.3g} nats per token, {tolerance_nats:g} were "
            "expected at most"
        )
    return result


def compare(expected: Floats, actual: Floats) -> Verification:
    """Compares logits `[S, vocab_size]` position by position."""
    log_expected, log_actual = _log_softmax(expected), _log_softmax(actual)
    divergence = (np.exp(log_expected) * (log_expected - log_actual)).sum(-1)
    agreement = expected.argmax(-1) == actual.argmax(-1)
    return Verification(float(divergence.mean()), float(divergence.max()), float(agreement.mean()))


def _log_softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    normalized: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalized
