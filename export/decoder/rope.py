"""Rotary embedding tables: a config's scaling rule to factors, factors to cos and sin."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.parts import LongRope, RopeSpec
from export.decoder.yarn import FACTORS, MAGNITUDES, read_yarn
from export.errors import ExportError

_THETAS = (1.0, 1e30)
"""Below one, later pairs would turn faster than the first; models have up to some 10^9."""


def read_rope(config: ConfigReader, dim: int, default_theta: float = 10000.0) -> RopeSpec:
    """The rotary embedding of `dim` features that `config` asks for.

    transformers 5 keeps theta and scaling together in `rope_parameters`; earlier files keep
    `rope_theta` beside `rope_scaling`. Raises ExportError for a rule that is not supported.
    """
    parameters = config.section("rope_parameters") or config.section("rope_scaling")
    theta = config.between("rope_theta", *_THETAS, default_theta)
    if parameters is None:
        return RopeSpec(theta, dim)
    theta = parameters.between("rope_theta", *_THETAS, theta)
    rule = parameters.text("rope_type", parameters.text("type", "default"))
    if rule == "default":
        return RopeSpec(theta, dim)
    if rule in ("longrope", "su"):
        return _long(config, parameters, theta, dim)
    if rule == "yarn":
        return read_yarn(config, parameters, theta, dim)
    read = _FACTORS.get(rule)
    if read is None:
        raise ExportError(
            f"RoPE scaling {one_line(rule)!r} is not supported; supported are default, linear, "
            "llama3, longrope and yarn"
        )
    return RopeSpec(theta, dim, read(parameters, theta, dim))


def inverse_frequencies(theta: float, dim: int) -> NDArray[np.float64]:
    """Unscaled angular frequencies, float64 `[dim / 2]`, in radians per position."""
    exponents = np.arange(0, dim, 2, dtype=np.float64) / dim
    return theta**-exponents


def rope_tables(
    rope: RopeSpec, num_positions: int, context_length: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """cos and sin for each position in a context, both float32 `[num_positions, dim / 2]`."""
    is_long = rope.long is not None and context_length > rope.long.beyond
    factors = rope.long.factors if rope.long and is_long else rope.factors
    frequencies = inverse_frequencies(rope.theta, rope.dim)
    if factors:
        frequencies = frequencies / np.asarray(factors)
    # transformers keeps the frequencies in float32; a wider product would drift from it
    # by up to 1e-3 radians at position 8192.
    angles = np.outer(
        np.arange(num_positions, dtype=np.float32), frequencies.astype(np.float32)
    ).astype(np.float32)
    cos, sin = np.cos(angles), np.sin(angles)
    if rope.magnitude == 1:
        return cos, sin
    return cos * np.float32(rope.magnitude), sin * np.float32(rope.magnitude)


def _linear_factors(parameters: ConfigReader, _: float, dim: int) -> tuple[float, ...]:
    return (parameters.between("factor", *FACTORS),) * (dim // 2)


def _given_factors(parameters: ConfigReader, _: float, dim: int) -> tuple[float, ...]:
    """What a GGUF file's rope_freqs say, already resolved."""
    return _listed(parameters, "factors", dim)


def _listed(parameters: ConfigReader, key: str, dim: int) -> tuple[float, ...]:
    factors = parameters.numbers(key, length=dim // 2)
    if min(factors, default=1.0) < FACTORS[0]:
        raise ExportError(
            f"{parameters.path}.{key} has {min(factors):g}, expected {FACTORS[0]:g} or more"
        )
    return factors


def _llama3_factors(parameters: ConfigReader, theta: float, dim: int) -> tuple[float, ...]:
    """Llama 3.1's rule: long wavelengths are slowed, short ones kept, those between blended."""
    factor = parameters.between("factor", *FACTORS)
    low = parameters.positive("low_freq_factor")
    high = parameters.positive("high_freq_factor")
    original = parameters.positive("original_max_position_embeddings")
    if high <= low:
        raise ExportError(
            f"{parameters.path}: high_freq_factor {high:g} has to be above low_freq_factor {low:g}"
        )
    factors = []
    for frequency in inverse_frequencies(theta, dim).tolist():
        wavelength = 2 * math.pi / frequency
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            blend = (original / wavelength - low) / (high - low)
            factors.append(1.0 / ((1 - blend) / factor + blend))
    return tuple(factors)


_FACTORS: Mapping[str, Callable[[ConfigReader, float, int], tuple[float, ...]]] = {
    "linear": _linear_factors,
    "llama3": _llama3_factors,
    "factors": _given_factors,
}


def _long(config: ConfigReader, parameters: ConfigReader, theta: float, dim: int) -> RopeSpec:
    """LongRoPE: one list of factors up to the length trained first, and another beyond it."""
    longest = config.integer("max_position_embeddings")
    original = config.integer(
        "original_max_position_embeddings",
        parameters.integer("original_max_position_embeddings", longest),
    )
    magnitude = parameters.optional_between("attention_factor", *MAGNITUDES)
    if magnitude is None:
        stretch = max(longest / original, 1.0)
        magnitude = math.sqrt(1 + math.log(stretch) / math.log(max(original, 2)))
    long = _listed(parameters, "long_factor", dim)
    short = _listed(parameters, "short_factor", dim)
    return RopeSpec(theta, dim, short, magnitude, LongRope(original, long))
