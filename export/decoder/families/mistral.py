"""Mistral and Ministral: Llama with sliding windows."""

from __future__ import annotations

from export.decoder.config import ConfigReader
from export.decoder.families.common import read_sizes
from export.decoder.families.llama import llama_layout
from export.decoder.families.windows import read_windows, with_windows
from export.decoder.spec import DecoderSpec

_NUM_KV_HEADS = 8
_WINDOW = 4096


def read_mistral(config: ConfigReader) -> DecoderSpec:
    """All layers slide, unless the window is null."""
    spec = llama_layout(config, read_sizes(config, num_kv_heads=_NUM_KV_HEADS))
    window = config.optional_integer("sliding_window", _WINDOW)
    return with_windows(spec, [window] * spec.num_layers)


def read_ministral(config: ConfigReader) -> DecoderSpec:
    """Each layer's type says whether it slides."""
    spec = llama_layout(config, read_sizes(config, num_kv_heads=_NUM_KV_HEADS))
    window = config.optional_integer("sliding_window", _WINDOW)
    return with_windows(spec, read_windows(config, spec.num_layers, window, lambda _: True))
