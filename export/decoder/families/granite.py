"""Granite 3: Llama with multipliers."""

from __future__ import annotations

from dataclasses import replace

from export.decoder.config import ConfigReader
from export.decoder.families.llama import read_llama
from export.decoder.parts import Scales
from export.decoder.spec import DecoderSpec


def read_granite(config: ConfigReader) -> DecoderSpec:
    spec = read_llama(config)
    scales = Scales(
        embedding=config.positive("embedding_multiplier", 1.0),
        branch=config.positive("residual_multiplier", 1.0),
        logits=1 / config.positive("logits_scaling", 1.0),
    )
    scale = config.positive("attention_multiplier", 1.0)
    return replace(spec, scales=scales, attention=replace(spec.attention, scale=scale))
