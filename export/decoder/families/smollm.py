"""SmolLM 3: Llama, every fourth layer of which is not told positions."""

from __future__ import annotations

from dataclasses import replace

from export.decoder.config import ConfigReader
from export.decoder.families.common import read_sizes
from export.decoder.families.llama import llama_layout
from export.decoder.families.windows import read_windows, with_windows
from export.decoder.spec import DecoderSpec

_NUM_KV_HEADS = 4
_THETA = 2_000_000.0
_INTERVAL = 4


def read_smollm3(config: ConfigReader) -> DecoderSpec:
    bias = config.flag("attention_bias", False)
    sizes = read_sizes(config, num_kv_heads=_NUM_KV_HEADS)
    spec = llama_layout(config, sizes, qkv_bias=bias, out_bias=bias, theta=_THETA)
    rotates = _rotating_layers(config, spec.num_layers)
    layers = tuple(
        layer if rotated else replace(layer, rope=None)
        for layer, rotated in zip(spec.attention.layers, rotates, strict=True)
    )
    spec = replace(
        spec,
        attention=replace(spec.attention, layers=layers),
        tied_head=config.flag("tie_word_embeddings", True),
    )
    if not config.flag("use_sliding_window", False):
        return spec
    window = config.optional_integer("sliding_window", None)
    windows = read_windows(config, spec.num_layers, window, lambda layer: not rotates[layer])
    return with_windows(spec, windows)


def _rotating_layers(config: ConfigReader, num_layers: int) -> list[bool]:
    """`no_rope_layers` has, despite its name, a 1 for each layer that rotates."""
    if config.has("no_rope_layers"):
        return [bool(flag) for flag in config.numbers("no_rope_layers", length=num_layers)]
    interval = config.integer("no_rope_layer_interval", _INTERVAL)
    return [(layer + 1) % interval != 0 for layer in range(num_layers)]
