"""Rotary embedding tables: a config's scaling rule to factors, factors to cos and sin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.spec import RopeSpec
from export.errors import ExportError


def read_rope(config: ConfigReader, head_dim: int, default_theta: float = 10000.0) -> RopeSpec:
    """The rotary embedding that `config` asks for.

    transformers 5 keeps theta and scaling together in `rope_parameters`; earlier files keep
    `rope_theta` beside `rope_scaling`. Raises ExportError for a rule that is not supported.
    """
    parameters = config.section("rope_parameters") or config.section("rope_scaling")
    theta = config.positive("rope_theta", default_theta)
    if parameters is None:
        return RopeSpec(theta)
    theta = parameters.positive("rope_theta", theta)
    rule = parameters.text("rope_type", parameters.text("type", "default"))
    if rule == "default":
        return RopeSpec(theta)
    if rule == "linear":
        return RopeSpec(theta, (parameters.positive("factor"),) * (head_dim // 2))
    if rule == "llama3":
        return RopeSpec(theta, _llama3_factors(parameters, theta, head_dim))
    if rule == "factors":
        return RopeSpec(theta, _given_factors(parameters, head_dim))
    raise ExportError(
        f"RoPE scaling {one_line(rule)!r} is not supported; supported are default, linear and "
        "llama3"
    )


def inverse_frequencies(theta: float, head_dim: int) -> NDArray[np.float64]:
    """Unscaled angular frequencies, float64 `[head_dim / 2]`, in radians per position."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
    return theta**-exponents


def rope_tables(
    rope: RopeSpec, head_dim: int, num_positions: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """cos and sin for each position, both float32 `[num_positions, head_dim / 2]`."""
    frequencies = inverse_frequencies(rope.theta, head_dim)
    if rope.factors:
        frequencies = frequencies / np.asarray(rope.factors)
    # transformers keeps the frequencies in float32; a wider product would drift from it
    # by up to 1e-3 radians at position 8192.
    angles = np.outer(
        np.arange(num_positions, dtype=np.float32), frequencies.astype(np.float32)
    ).astype(np.float32)
    return np.cos(angles), np.sin(angles)


def _given_factors(parameters: ConfigReader, head_dim: int) -> tuple[float, ...]:
    """What a GGUF file's rope_freqs say, already resolved."""
    factors = parameters.numbers("factors", length=head_dim // 2)
    if min(factors) <= 0:
        raise ExportError(f"{parameters.path}.factors has {min(factors):g}, expected above zero")
    return factors


def _llama3_factors(parameters: ConfigReader, theta: float, head_dim: int) -> tuple[float, ...]:
    """Llama 3.1's rule: long wavelengths are slowed, short ones kept, those between blended."""
    factor = parameters.positive("factor")
    low = parameters.positive("low_freq_factor")
    high = parameters.positive("high_freq_factor")
    original = parameters.positive("original_max_position_embeddings")
    if high <= low:
        raise ExportError(
            f"{parameters.path}: high_freq_factor {high:g} has to be above low_freq_factor {low:g}"
        )
    factors = []
    for frequency in inverse_frequencies(theta, head_dim).tolist():
        wavelength = 2 * math.pi / frequency
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            blend = (original / wavelength - low) / (high - low)
            factors.append(1.0 / ((1 - blend) / factor + blend))
    return tuple(factors)
