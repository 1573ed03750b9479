"""How rotary embeddings are scaled, from GGUF's metadata to transformers' `rope_scaling`.

The factor lists of Llama 3.1 and later are a tensor in GGUF: the rule they were computed by is
not kept, so they are handed on as they are. Those of long RoPE are two tensors.
"""

from __future__ import annotations

import numpy as np

from export.checkpoints.base import Encoding, JsonValue
from export.checkpoints.gguf.common import Model
from export.checkpoints.json_file import one_line
from export.errors import ExportError

Rule = dict[str, JsonValue]

FACTORS_TENSOR = "rope_freqs.weight"
LONG_TENSOR = "rope_factors_long.weight"
SHORT_TENSOR = "rope_factors_short.weight"

_KINDS = ("none", "linear", "yarn", "longrope")
_ORIGINAL_LENGTH = "rope.scaling.original_context_length"


def read_rope_scaling(model: Model, rotary_dim: int) -> Rule | None:
    """The value of `rope_scaling`, None where positions are not scaled.

    `{"rope_type": "factors", "factors": [...]}` holds one number per rotated pair
    (`rotary_dim / 2`) by which that pair's frequency is divided; the other rules are
    transformers'. Raises ExportError for rules that are unknown or combined.
    """
    rule = _read_rule(model, rotary_dim)
    if FACTORS_TENSOR not in model.gguf.tensors:
        return rule
    factors = _read_factors(model, FACTORS_TENSOR, rotary_dim)
    if rule is not None:
        raise ExportError(
            f"{model.metadata.path}: both {FACTORS_TENSOR} and rope.scaling metadata scale the "
            "rotary embedding; together they are not supported"
        )
    if all(factor == 1.0 for factor in factors):
        return None
    return {"rope_type": "factors", "factors": factors}


def _read_rule(model: Model, rotary_dim: int) -> Rule | None:
    if LONG_TENSOR in model.gguf.tensors or SHORT_TENSOR in model.gguf.tensors:
        return _long_rope(model, rotary_dim)
    # rope.scale_linear is how files of 2023 say rope.scaling.factor.
    factor = model.number("rope.scaling.factor", model.number("rope.scale_linear", 1.0))
    key = f"{model.prefix}.rope.scaling.type"
    kind = model.metadata.text(key, "linear")
    if kind not in _KINDS:
        problem = f"{one_line(kind)!r} is not supported; supported are {', '.join(_KINDS)}"
        raise model.metadata.error(key, problem)
    if kind == "longrope":
        raise model.metadata.error(key, f"is longrope, but there is no tensor {LONG_TENSOR!r}")
    if kind == "none" or factor in (0.0, 1.0):
        return None
    if factor < 1.0:
        raise model.metadata.error(f"{model.prefix}.rope.scaling.factor", "is below 1")
    return {"rope_type": "linear", "factor": factor} if kind == "linear" else _yarn(model, factor)


def _yarn(model: Model, factor: float) -> Rule:
    """YaRN (Peng et al., 2023); keys that are left out have the same defaults in transformers."""
    for key in ("ext_factor", "attn_factor"):
        if model.number(f"rope.scaling.yarn_{key}", 1.0) != 1.0:
            raise model.metadata.error(
                f"{model.prefix}.rope.scaling.yarn_{key}", "is not 1: not supported"
            )
    rule: Rule = {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": model.positive(
            _ORIGINAL_LENGTH, model.positive("context_length")
        ),
    }
    for key, name in _YARN_KEYS.items():
        if model.has(key):
            rule |= dict.fromkeys(name, model.number(key))
    if model.prefix == "gpt-oss":
        # Constant in OpenAI's model, and not kept in GGUF.
        rule["truncate"] = False
    return rule


_YARN_KEYS: dict[str, tuple[str, ...]] = {
    "rope.scaling.yarn_beta_fast": ("beta_fast",),
    "rope.scaling.yarn_beta_slow": ("beta_slow",),
    "rope.scaling.yarn_log_multiplier": ("mscale", "mscale_all_dim"),
    "attention.temperature_scale": ("llama_4_scaling_beta",),
}


def _long_rope(model: Model, rotary_dim: int) -> Rule:
    rule: Rule = {
        "rope_type": "longrope",
        "long_factor": _read_factors(model, LONG_TENSOR, rotary_dim),
        "short_factor": _read_factors(model, SHORT_TENSOR, rotary_dim),
        "original_max_position_embeddings": model.positive(_ORIGINAL_LENGTH),
    }
    if model.has("rope.scaling.attn_factor"):
        rule["attention_factor"] = model.number("rope.scaling.attn_factor")
    return rule


def _read_factors(model: Model, name: str, rotary_dim: int) -> list[JsonValue]:
    tensor = model.gguf.tensor(name)
    if tensor.encoding is not Encoding.F32 or tensor.shape != (rotary_dim // 2,):
        raise ExportError(f"{model.metadata.path}: {name} is not {rotary_dim // 2} numbers of F32")
    factors = tensor.data.astype(np.float64)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ExportError(f"{model.metadata.path}: {name} holds unusable numbers")
    return [float(factor) for factor in factors]
