"""How rotary embeddings are scaled, from GGUF's metadata to transformers' `rope_scaling`.

The factor lists of Llama 3.1 and later are a tensor in GGUF: the rule they were computed by is
not kept, so they are handed on as they are.
"""

from __future__ import annotations

import numpy as np

from export.checkpoints.base import Encoding, JsonValue
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.reader import GgufFile
from export.checkpoints.json_file import one_line
from export.errors import ExportError

FACTORS_TENSOR = "rope_freqs.weight"


def read_rope_scaling(gguf: GgufFile, prefix: str, head_dim: int) -> dict[str, JsonValue] | None:
    """The value of `rope_scaling`, None where positions are not scaled.

    `{"rope_type": "factors", "factors": [...]}` holds one number per rotated pair
    (`head_dim / 2`) by which that pair's frequency is divided; the other rules are
    transformers'. Raises ExportError for rules that are unknown or combined.
    """
    rule = _read_rule(gguf.metadata, prefix)
    if FACTORS_TENSOR not in gguf.tensors:
        return rule
    factors = _read_factors(gguf, head_dim)
    if rule is not None:
        raise ExportError(
            f"{gguf.metadata.path}: both {FACTORS_TENSOR} and rope.scaling metadata scale the "
            "rotary embedding; together they are not supported"
        )
    if all(factor == 1.0 for factor in factors):
        return None
    return {"rope_type": "factors", "factors": list(factors)}


def _read_rule(metadata: Metadata, prefix: str) -> dict[str, JsonValue] | None:
    # rope.scale_linear is how files of 2023 say rope.scaling.factor.
    factor = metadata.number(
        f"{prefix}.rope.scaling.factor", metadata.number(f"{prefix}.rope.scale_linear", 1.0)
    )
    kind = metadata.text(f"{prefix}.rope.scaling.type", "linear")
    if kind not in ("none", "linear"):
        raise metadata.error(
            f"{prefix}.rope.scaling.type",
            f"{one_line(kind)!r} is not supported; supported are none and linear",
        )
    if kind == "none" or factor in (0.0, 1.0):
        return None
    if factor < 1.0:
        raise metadata.error(f"{prefix}.rope.scaling.factor", "is below 1")
    return {"rope_type": "linear", "factor": factor}


def _read_factors(gguf: GgufFile, head_dim: int) -> tuple[float, ...]:
    tensor = gguf.tensor(FACTORS_TENSOR)
    if tensor.encoding is not Encoding.F32 or tensor.shape != (head_dim // 2,):
        raise ExportError(
            f"{gguf.metadata.path}: {FACTORS_TENSOR} is not {head_dim // 2} numbers of F32"
        )
    factors = tensor.data.astype(np.float64)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ExportError(f"{gguf.metadata.path}: {FACTORS_TENSOR} holds unusable numbers")
    return tuple(factors.tolist())
