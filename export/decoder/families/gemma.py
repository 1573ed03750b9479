"""Gemma 1, 2 and 3: scaled embeddings, norms that store their weight less one, GELU; from 2 on
norms around both branches, layers that slide in turn, and soft-capping or norms of heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from export.decoder.config import ConfigReader
from export.decoder.families.common import (
    LAYER,
    Sizes,
    attention,
    final_norm,
    gated_mlp,
    named,
    norms_before,
    read_activation,
    read_sizes,
)
from export.decoder.families.qwen import with_head_norms
from export.decoder.families.windows import read_windows
from export.decoder.parts import AttentionLayer, LayerNorms, Norm, RopeSpec, Scales
from export.decoder.rope import read_rope
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

_HEAD_DIM = 256
_NUM_KV_HEADS = 4
_ACTIVATION = "gelu_pytorch_tanh"
_WINDOW = 4096
_SCALAR = 256.0
_ATTENTION_SOFTCAP = 50.0
_LOGITS_SOFTCAP = 30.0
_PATTERN = 6
_THETA = 1_000_000.0
_LOCAL_THETA = 10_000.0


def read_gemma(config: ConfigReader) -> DecoderSpec:
    sizes = read_sizes(config, head_dim=_HEAD_DIM)
    layer = AttentionLayer(read_rope(config, sizes.head_dim))
    spec = _shared(config, sizes, [layer] * sizes.num_layers, "hidden_act")
    return replace(spec, norms=norms_before(spec.final_norm))


def read_gemma2(config: ConfigReader) -> DecoderSpec:
    sizes = _sizes(config)
    rope = read_rope(config, sizes.head_dim)
    layers = _layers(config, sizes, lambda layer: layer % 2 == 0, rope, rope)
    spec = _shared(config, sizes, layers, "hidden_activation")
    cap = config.optional_positive("attn_logit_softcapping", _ATTENTION_SOFTCAP) or 0.0
    spec = replace(spec, attention=replace(spec.attention, softcap=cap))
    return _with_scale(config, spec, _LOGITS_SOFTCAP)


def read_gemma3(config: ConfigReader) -> DecoderSpec:
    if config.flag("use_bidirectional_attention", False):
        raise ExportError("a Gemma 3 that attends in both directions is not supported")
    sizes = _sizes(config)
    pattern = config.integer("sliding_window_pattern", _PATTERN)
    layers = _layers(
        config, sizes, lambda layer: (layer + 1) % pattern != 0, *_ropes(config, sizes)
    )
    spec = _shared(config, sizes, layers, "hidden_activation")
    return _with_scale(config, with_head_norms(spec), None)


def _sizes(config: ConfigReader) -> Sizes:
    return read_sizes(config, head_dim=_HEAD_DIM, num_kv_heads=_NUM_KV_HEADS)


def _shared(
    config: ConfigReader, sizes: Sizes, layers: Sequence[AttentionLayer], activation_key: str
) -> DecoderSpec:
    """What the three have in common, with the norms of the later two."""
    norm = replace(final_norm(config, sizes), weight_offset=1.0)
    bias = config.flag("attention_bias", False)
    return DecoderSpec(
        family=config.text("model_type"),
        num_layers=sizes.num_layers,
        hidden_size=sizes.hidden_size,
        vocab_size=config.integer("vocab_size"),
        context_length=config.integer("max_position_embeddings"),
        attention=attention(sizes, layers, qkv_bias=bias, out_bias=bias),
        mlp=gated_mlp(sizes, read_activation(config, activation_key, _ACTIVATION)),
        norms=_norms_around(norm),
        final_norm=norm,
        scales=Scales(embedding=sizes.hidden_size**0.5),
        tied_head=config.flag("tie_word_embeddings", True),
    )


def _norms_around(norm: Norm) -> LayerNorms:
    return LayerNorms(
        before_attention=named(norm, f"{LAYER}.input_layernorm"),
        after_attention=named(norm, f"{LAYER}.post_attention_layernorm"),
        before_mlp=named(norm, f"{LAYER}.pre_feedforward_layernorm"),
        after_mlp=named(norm, f"{LAYER}.post_feedforward_layernorm"),
    )


def _layers(
    config: ConfigReader,
    sizes: Sizes,
    slides: Callable[[int], bool],
    local: RopeSpec,
    whole: RopeSpec,
) -> list[AttentionLayer]:
    """Layers that slide, which rotate by `local`, and layers that see all."""
    window = config.integer("sliding_window", _WINDOW)
    windows = read_windows(config, sizes.num_layers, window, slides)
    return [AttentionLayer(local if window else whole, window) for window in windows]


def _ropes(config: ConfigReader, sizes: Sizes) -> tuple[RopeSpec, RopeSpec]:
    """How layers that slide and layers that see all rotate: transformers 5 has a section each."""
    parameters = config.section("rope_parameters")
    local = parameters and parameters.section("sliding_attention")
    whole = parameters and parameters.section("full_attention")
    if local and whole:
        return (
            read_rope(config.with_section("rope_parameters", local), sizes.head_dim, _LOCAL_THETA),
            read_rope(config.with_section("rope_parameters", whole), sizes.head_dim, _THETA),
        )
    local_theta = config.positive("rope_local_base_freq", _LOCAL_THETA)
    return RopeSpec(local_theta, sizes.head_dim), read_rope(config, sizes.head_dim, _THETA)


def _with_scale(config: ConfigReader, spec: DecoderSpec, logits_cap: float | None) -> DecoderSpec:
    """`spec` with the scale of its scores, and the cap of its logits that `config` has or, if it
    says nothing of one, `logits_cap`."""
    scale = config.positive("query_pre_attn_scalar", _SCALAR) ** -0.5
    cap = config.optional_positive("final_logit_softcapping", logits_cap) or 0.0
    return replace(
        spec,
        attention=replace(spec.attention, scale=scale),
        scales=replace(spec.scales, logits_softcap=cap),
    )
