"""Checks an encoder's package as it was written against what transformers computes itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.json_file import one_line
from export.decoder.precision import Precision
from export.encoder.spec import EncoderSpec
from export.encoder.torch_encoder import TorchEncoder
from export.encoder.written import Floats, Row, WrittenEncoder
from export.errors import ExportError
from service.store.manifest import Pooling

_BATCH_SIZE = 8
"""Texts of different lengths in a batch, so that padding has a part in what is verified."""

_SMALLEST_COSINE = {Precision.FP32: 0.9999, Precision.INT8: 0.8}
_LARGEST_DIFFERENCE = {Precision.FP32: 1e-3, Precision.INT8: 0.3}
"""Of two scores between 0 and 1. A graph that is wrong is far from either limit."""

_POOLINGS: Mapping[Pooling, Callable[[Floats], Floats]] = {
    "mean": lambda rows: rows.mean(0),
    "cls": lambda rows: rows[0],
    "lasttoken": lambda rows: rows[-1],
    "max": lambda rows: rows.max(0),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """How far a package is from float32: cosines of vectors, or differences of scores."""

    mean: float
    worst: float


def verify_encoder(
    written: WrittenEncoder,
    reference: TorchEncoder,
    spec: EncoderSpec,
    texts: Sequence[str],
    precision: Precision,
) -> str:
    """Compares the tokens and the vectors, or scores, of `texts`; says what was lost.

    Raises ExportError if they are not those of the weights.
    """
    _check_tokens(written, reference, spec, texts)
    if spec.embedding is None:
        return _verify_scores(written, reference, spec, texts, precision)
    rows = [row for row in written.encode(texts) if len(row.token_ids) <= spec.context_length]
    pool = _POOLINGS[spec.embedding.pooling]
    loss = _cosines(
        [pool(values) for values in _in_batches(written, rows)],
        [pool(reference.compute(row.token_ids, row.type_ids)) for row in rows],
    )
    if not loss.worst >= _SMALLEST_COSINE[precision]:
        raise _wrong(f"a cosine of {loss.worst:.4f} to float32")
    return (
        f"against transformers in float32, on {len(rows)} texts: cosine {_rounded(loss.mean)} on "
        f"average, {_rounded(loss.worst)} at worst"
    )


def _verify_scores(
    written: WrittenEncoder,
    reference: TorchEncoder,
    spec: EncoderSpec,
    texts: Sequence[str],
    precision: Precision,
) -> str:
    pairs = list(zip(texts, [*texts[1:], texts[0]], strict=True))
    rows = [row for row in written.encode_pairs(pairs) if len(row.token_ids) <= spec.context_length]
    actual = np.concatenate(_in_batches(written, rows))
    expected = np.concatenate([reference.compute(row.token_ids, row.type_ids) for row in rows])
    differences = np.abs(_sigmoid(actual) - _sigmoid(expected))
    loss = Loss(float(differences.mean()), float(differences.max()))
    if not loss.worst <= _LARGEST_DIFFERENCE[precision]:
        raise _wrong(f"a score that differs by {loss.worst:.3g} from float32's")
    return (
        f"against transformers in float32, on {len(rows)} pairs: scores differ by {loss.mean:.1g} "
        f"on average, {loss.worst:.1g} at worst"
    )


def _check_tokens(
    written: WrittenEncoder, reference: TorchEncoder, spec: EncoderSpec, texts: Sequence[str]
) -> None:
    if written.largest_id >= spec.architecture.vocab_size:
        raise ExportError(
            f"the tokenizer does not belong to the weights: it has the token id "
            f"{written.largest_id}, and there are {spec.architecture.vocab_size}"
        )
    own = [row.token_ids for row in written.encode(texts)]
    for text, ours, theirs in zip(texts, own, reference.encode(texts), strict=True):
        if not ours or ours != theirs:
            raise ExportError(
                f"the tokenizer as written makes other tokens than transformers' of "
                f"{one_line(text, 40)!r}"
            )


def _in_batches(written: WrittenEncoder, rows: Sequence[Row]) -> list[Floats]:
    try:
        return [
            values
            for start in range(0, len(rows), _BATCH_SIZE)
            for values in written.compute(rows[start : start + _BATCH_SIZE])
        ]
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise ExportError(
            f"ONNX Runtime refuses the package: {one_line(str(error), 300)}"
        ) from error


def _cosines(actual: Sequence[Floats], expected: Sequence[Floats]) -> Loss:
    cosines = [_cosine(*pair) for pair in zip(actual, expected, strict=True)]
    return Loss(float(np.mean(cosines)), float(min(cosines)))


def _cosine(a: Floats, b: Floats) -> float:
    one, other = a.astype(np.float64), b.astype(np.float64)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def _sigmoid(logits: Floats) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return scores


def _rounded(cosine: float) -> str:
    """Never up to 1, which would say that nothing was lost."""
    return f"{np.floor(cosine * 1e6) / 1e6:.6f}".rstrip("0")


def _wrong(what: str) -> ExportError:
    return ExportError(
        f"the package computes something else than the weights it was made from: {what}"
    )
