"""Which architectures there are: each reads a Hugging Face config into a `DecoderSpec`.

A family that shares Llama's layout is one more row of `FAMILIES`; one that differs brings a
function of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.rope import read_rope
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

_HEAD_DIM_STEP = 16
"""What GroupQueryAttention with a rotary embedding asks head sizes to be a multiple of."""


def read_spec(config: Mapping[str, JsonValue]) -> DecoderSpec:
    """The spec of the decoder that `config` (Hugging Face's keys) describes.

    Raises ExportError for an architecture that is not supported, naming those that are.
    """
    reader = ConfigReader(config)
    model_type = reader.text("model_type", "unnamed")
    read = FAMILIES.get(model_type)
    if read is None:
        supported = ", ".join(sorted(FAMILIES))
        raise ExportError(
            f"architecture {one_line(model_type)!r} is not supported; supported: {supported}"
        )
    return read(reader)


def _llama(config: ConfigReader) -> DecoderSpec:
    activation = config.text("hidden_act", "silu")
    if activation != "silu":
        raise ExportError(f"activation {one_line(activation)!r} is not supported; supported: silu")
    hidden_size = config.integer("hidden_size")
    num_heads = config.integer("num_attention_heads")
    head_dim = config.integer("head_dim", hidden_size // num_heads)
    num_kv_heads = config.integer("num_key_value_heads", num_heads)
    if num_heads % num_kv_heads:
        raise ExportError(f"{num_heads} query heads cannot share {num_kv_heads} key-value heads")
    if head_dim % _HEAD_DIM_STEP:
        raise ExportError(
            f"attention heads of size {head_dim} are not supported; supported are multiples of "
            f"{_HEAD_DIM_STEP}"
        )
    bias = config.flag("attention_bias", False)
    return DecoderSpec(
        family="llama",
        num_layers=config.integer("num_hidden_layers"),
        hidden_size=hidden_size,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        intermediate_size=config.integer("intermediate_size"),
        vocab_size=config.integer("vocab_size"),
        context_length=config.integer("max_position_embeddings"),
        rms_norm_eps=config.positive("rms_norm_eps", 1e-6),
        rope=read_rope(config, head_dim),
        tied_head=config.flag("tie_word_embeddings", False),
        attention_bias=bias,
        attention_out_bias=bias,
        mlp_bias=config.flag("mlp_bias", False),
    )


FAMILIES: dict[str, Callable[[ConfigReader], DecoderSpec]] = {"llama": _llama}
