"""YaRN (Peng et al., 2023): short waves keep their frequency, long ones are stretched."""

from __future__ import annotations

import math

from export.decoder.config import ConfigReader
from export.decoder.parts import RopeSpec
from export.errors import ExportError

FACTORS = (1e-3, 1e6)
"""How much a rule may stretch positions: a thousand times beyond any model, on either side."""

MAGNITUDES = (0.0, 1e6)
_BETAS = (1e-6, 1e9)
_WEIGHTS = (0.0, 1e3)


def read_yarn(config: ConfigReader, parameters: ConfigReader, theta: float, dim: int) -> RopeSpec:
    """The rotary embedding that `parameters` stretch by YaRN, as transformers resolves them.

    Raises ExportError for parameters beyond what they can mean."""
    if theta <= 1:
        raise ExportError(f"{parameters.path}: YaRN needs a rope_theta above 1, not {theta:g}")
    factor = parameters.between("factor", *FACTORS)
    original = parameters.integer(
        "original_max_position_embeddings", config.integer("max_position_embeddings")
    )
    low = _pair_turning(parameters.between("beta_fast", *_BETAS, 32), theta, dim, original)
    high = _pair_turning(parameters.between("beta_slow", *_BETAS, 1), theta, dim, original)
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
    given = parameters.optional_between("attention_factor", *MAGNITUDES)
    if given is not None:
        return given
    above = parameters.optional_between("mscale", *_WEIGHTS)
    below = parameters.optional_between("mscale_all_dim", *_WEIGHTS)
    if above and below:
        return _stretch(factor, above) / _stretch(factor, below)
    return _stretch(factor, 1.0)


def _stretch(factor: float, weight: float) -> float:
    return 0.1 * weight * math.log(factor) + 1 if factor > 1 else 1.0
