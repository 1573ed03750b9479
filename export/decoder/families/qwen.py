"""Qwen 2, 2.5 and 3: Llama with biases, or with norms of each query and key head."""

from __future__ import annotations

from dataclasses import replace

from export.decoder.config import ConfigReader
from export.decoder.families.common import head_norms, read_sizes
from export.decoder.families.llama import llama_layout
from export.decoder.families.windows import read_windows, with_windows
from export.decoder.spec import DecoderSpec

_HEAD_DIM = 128
_WINDOW = 4096
_FIRST_SLIDING_LAYER = 28


def read_qwen2(config: ConfigReader) -> DecoderSpec:
    spec = llama_layout(config, read_sizes(config), qkv_bias=True)
    return _with_windows(config, spec)


def read_qwen3(config: ConfigReader) -> DecoderSpec:
    sizes = read_sizes(config, head_dim=_HEAD_DIM)
    bias = config.flag("attention_bias", False)
    spec = llama_layout(config, sizes, qkv_bias=bias, out_bias=bias)
    return _with_windows(config, with_head_norms(spec))


def with_head_norms(spec: DecoderSpec) -> DecoderSpec:
    """`spec` with norms of each query head and each key head."""
    norms = head_norms(spec.final_norm, spec.attention.head_dim)
    return replace(spec, attention=replace(spec.attention, norms=norms))


def _with_windows(config: ConfigReader, spec: DecoderSpec) -> DecoderSpec:
    """The later layers slide where a config asks for it, which the published ones do not."""
    if not config.flag("use_sliding_window", False):
        return spec
    first = config.number("max_window_layers", _FIRST_SLIDING_LAYER)
    window = config.optional_integer("sliding_window", _WINDOW)
    windows = read_windows(config, spec.num_layers, window, lambda layer: layer >= first)
    return with_windows(spec, windows)
