"""YaRN (Peng et al., 2023): short waves keep their frequency, long ones are stretched."""

from __future__ import annotations

import math

from export.decoder.config import ConfigReader
from export.decoder.parts import RopeSpec


def read_yarn(config: ConfigReader, parameters: ConfigReader, theta: float, dim: int) -> RopeSpec:
    """The rotary embedding that `parameters` stretch by YaRN, as transformers resolves them."""
    factor = parameters.positive("factor")
    original = parameters.integer(
        "original_max_position_embeddings", config.integer("max_position_embeddings")
    )
    low = _pair_turning(parameters.positive("beta_fast", 32), theta, dim, original)
    high = _pair_turning(parameters.positive("beta_slow", 1), theta, dim, original)
    if parameters.flag("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    width = high - low or 0.001
    factors = []
    for pair in range(dim // 2):
        stretched = min(max((pair - low) / width, 0.0), 1.0)
        factors.append(1 / (stretched / factor + 1 - stretched))
    return RopeSpec(theta, dim, tuple(factors), _magnitude(parameters, factor))


def _pair_turning(times: float, theta: float, dim: int, num_positions: int) -> float:
    """The pair, as a fraction, that turns so many times within `num_positions`."""
    return dim * math.log(num_positions / (times * 2 * math.pi)) / (2 * math.log(theta))


def _magnitude(parameters: ConfigReader, factor: float) -> float:
    given = parameters.optional_number("attention_factor")
    if given is not None:
        return given
    above = parameters.optional_number("mscale")
    below = parameters.optional_number("mscale_all_dim")
    if above and below:
        return _stretch(factor, above) / _stretch(factor, below)
    return _stretch(factor, 1.0)


def _stretch(factor: float, weight: float) -> float:
    return 0.1 * weight * math.log(factor) + 1 if factor > 1 else 1.0
