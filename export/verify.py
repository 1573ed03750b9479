"""Checks a package as it was written: its logits and its greedy tokens against the reference."""

from __future__ import annotations

import os
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
from export.verify_prompt import NUM_DECODED, prompt_ids

# ONNX Runtime reports usage over the network unless told not to before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

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

_NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True, slots=True)
class Verification:
    """How far a package is from float32: mean and largest divergence in nats per token, and the
    share of positions where both find the same token likeliest."""

    mean_divergence: float
    max_divergence: float
    agreement: float


def verify_decoder(
    graph: Path, spec: DecoderSpec, checkpoint: Checkpoint, tokenizer: bytes, precision: Precision
) -> Verification:
    """Prefills a fixed prompt with `graph`, decodes greedily, and compares every step.

    Raises ExportError if the logits or the tokens are not those of the weights.
    """
    prompt = prompt_ids(tokenizer, spec)
    try:
        token_ids, actual = _run(graph, prompt)
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise ExportError(
            f"ONNX Runtime refuses the package: {one_line(str(error), 300)}"
        ) from error
    # Infinite and undefined numbers are no accident to warn of: they show in the divergence.
    with np.errstate(over="ignore", invalid="ignore"):
        expected = Reference(spec, checkpoint).logits(token_ids[:-1])
        result = compare(expected, actual)
    tolerance = _TOLERANCE_NATS[precision]
    if not result.mean_divergence <= tolerance:
        raise ExportError(
            f"the package computes something else than the weights it was made from: its logits "
            f"diverge by {result.mean_divergence:.3g} nats per token, {tolerance:g} were expected "
            "at most"
        )
    return result


def compare(expected: Floats, actual: Floats) -> Verification:
    """Compares logits `[S, vocab_size]` position by position."""
    log_expected, log_actual = _log_softmax(expected), _log_softmax(actual)
    divergence = (np.exp(log_expected) * (log_expected - log_actual)).sum(-1)
    agreement = expected.argmax(-1) == actual.argmax(-1)
    return Verification(float(divergence.mean()), float(divergence.max()), float(agreement.mean()))


def _run(graph: Path, prompt: Sequence[int]) -> tuple[list[int], Floats]:
    """The prompt and what follows it greedily, and the logits behind each token but the last."""
    options = ort.SessionOptions()
    options.log_severity_level = 4  # errors are raised, which is enough
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    token_ids = list(prompt)
    past = _empty_cache(session)
    new = token_ids
    logits: list[Floats] = []
    for _ in range(NUM_DECODED):
        outputs = session.run(None, _feeds(new, len(token_ids), past))
        names = [output.name for output in session.get_outputs()]
        results = dict(zip(names, outputs, strict=True))
        logits.append(results.pop("logits"))
        past = {name.replace("present", "past_key_values"): kv for name, kv in results.items()}
        new = [int(logits[-1][-1].argmax())]
        token_ids += new
    return token_ids, np.concatenate(logits)


def _empty_cache(session: ort.InferenceSession) -> dict[str, NDArray[np.generic]]:
    """Pasts of no tokens, as the graph declares them: `[batch, kv_heads, length, head_dim]`."""
    pasts = [value for value in session.get_inputs() if value.name.startswith("past_key_values.")]
    return {
        past.name: np.zeros((1, past.shape[1], 0, past.shape[3]), _NUMPY_TYPES[past.type])
        for past in pasts
    }


def _feeds(
    new: Sequence[int], num_tokens: int, past: dict[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    return {
        "input_ids": np.array([new], np.int64),
        "seqlens_k": np.array([num_tokens - 1], np.int32),
        "total_sequence_length": np.array(num_tokens, np.int32),
        "logits_indices": np.arange(len(new), dtype=np.int64),
        **past,
    }


def _log_softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    normalized: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalized
