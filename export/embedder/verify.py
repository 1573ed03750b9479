"""Checks a package that reads whole texts against numpy, as it was written.

One text is enough: what a decoder makes of a token depends on those before it alone, so that each
beginning of the text is a text of its own whose last token is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.checkpoints.base import Checkpoint
from export.checkpoints.json_file import one_line
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.decoder.weights import Floats
from export.encoder.written import Row, WrittenGraph
from export.errors import ExportError

_NUM_BEGINNINGS = 8
"""Of different lengths in one batch, so that padding has a part in what is verified."""

_SMALLEST_COSINE = {
    Precision.FP32: 0.9999,
    Precision.FP16: 0.999,
    Precision.SOURCE: 0.95,
    Precision.INT8: 0.95,
    Precision.INT4: 0.7,
}
"""On average over the tokens. A graph that is wrong is far from it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The model in numpy float32. With a `score` it is a classifier's."""

    spec: DecoderSpec
    checkpoint: Checkpoint
    score: Floats | None = None


def verify_reader(
    graph: Path, expected: Expected, prompt: Sequence[int], pad_id: int, precision: Precision
) -> str:
    """Compares the vectors of all tokens of `prompt`, or the scores of its beginnings; says what
    was lost. Raises ExportError if they are not those of the weights."""
    ends = np.unique(np.linspace(1, len(prompt), _NUM_BEGINNINGS).astype(int)).tolist()
    rows = [Row(list(prompt[:end]), [0] * end) for end in ends]
    try:
        actual = WrittenGraph(graph, pad_id).compute(rows)
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise ExportError(
            f"ONNX Runtime refuses the package: {one_line(str(error), 300)}"
        ) from error
    # Infinite and undefined numbers are no accident to warn of: they show in what is compared.
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = Reference(expected.spec, expected.checkpoint).normed(prompt)
        if expected.score is None:
            return _compare_vectors(vectors, actual, precision)
        scores = vectors[[end - 1 for end in ends]] @ expected.score.T
        return _compare_scores(scores, np.stack(actual), precision)


def _compare_vectors(vectors: Floats, actual: Sequence[Floats], precision: Precision) -> str:
    cosines = np.concatenate([_cosines(vectors[: len(rows)], rows) for rows in actual])
    if not cosines.mean() >= _SMALLEST_COSINE[precision]:
        raise _wrong(f"vectors with a cosine of {cosines.mean():.4f} to float32's")
    return (
        f"against float32, on {len(vectors)} tokens: cosine {_rounded(cosines.mean())} on "
        f"average, {_rounded(cosines.min())} at worst"
    )


def _compare_scores(expected: Floats, actual: Floats, precision: Precision) -> str:
    """In units of how much scores differ among each other."""
    differences = np.abs(expected - actual)
    tolerance = float(np.sqrt(1 - _SMALLEST_COSINE[precision] ** 2) * np.abs(expected).max())
    if not differences.mean() <= tolerance:
        raise _wrong(f"scores that differ by {differences.mean():.3g} from float32's")
    return (
        f"against float32, on {len(expected)} texts: scores before the sigmoid differ by "
        f"{differences.mean():.1g} on average, {differences.max():.1g} at worst"
    )


def _cosines(expected: Floats, actual: Floats) -> Floats:
    one, other = expected.astype(np.float64), actual.astype(np.float64)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosines: Floats = ((one * other).sum(-1) / lengths).astype(np.float32)
    return cosines


def _rounded(cosine: float) -> str:
    """Never up to 1, which would say that nothing was lost."""
    return f"{min(np.floor(cosine * 1e6) / 1e6, 0.999999):.6f}".rstrip("0")


def _wrong(what: str) -> ExportError:
    return ExportError(
        f"the package computes something else than the weights it was made from: {what}"
    )
