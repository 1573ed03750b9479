"""Checks a package as it was written: its logits and its greedy tokens against the reference."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class Cost:
    """What a package loses on the verified text, in nats per token: the negative log-likelihood
    of its `num_tokens` tokens by the reference, and how much larger it is by the package."""

    num_tokens: int
    reference_nats: float
    loss_nats: float


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a package's numbers."""

    against_reference: Verification
    cost: Cost


def verify_package(
    folder: Path,
    graphs: Graphs,
    spec: DecoderSpec,
    checkpoint: Checkpoint,
    prompt: list[int],
    precision: Precision,
) -> Verified:
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
        return Verified(result, measure_cost(expected, actual, prompt))


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
    # One by one, since a vocabulary may be large and they are many.
    divergence = np.array([_divergence(*pair) for pair in zip(expected, actual, strict=True)])
    agreement = expected.argmax(-1) == actual.argmax(-1)
    return Verification(float(divergence.mean()), float(divergence.max()), float(agreement.mean()))


def measure_cost(expected: Floats, actual: Floats, token_ids: Sequence[int]) -> Cost:
    """From the logits behind each of `token_ids` and what was decoded after them: how likely each
    of these tokens is after those before it."""
    wanted = token_ids[1:]
    if not wanted:
        return Cost(0, 0.0, 0.0)
    reference, package = (_nats(logits, wanted) for logits in (expected, actual))
    return Cost(len(wanted), reference, package - reference)


def _nats(logits: Floats, wanted: Sequence[int]) -> float:
    """Nats per token of `wanted`, the first of which the first logits foretell."""
    pairs = zip(logits, wanted, strict=False)
    return float(np.mean([-_log_softmax(row)[token_id] for row, token_id in pairs]))


def _divergence(expected: Floats, actual: Floats) -> float:
    log_expected, log_actual = _log_softmax(expected), _log_softmax(actual)
    return float((np.exp(log_expected) * (log_expected - log_actual)).sum())


def _log_softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    normalized: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalized
