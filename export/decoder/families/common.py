"""What most families' configs say under the same keys, and the parts that follow from it.

The names of tensors are those of Llama's layout, which most share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.parts import (
    Activation,
    Attention,
    AttentionLayer,
    LayerNorms,
    Linear,
    Mlp,
    Norm,
    QueryKeyNorms,
)
from export.errors import ExportError

LAYER = "model.layers.{i}"

HEAD_DIM_STEP = 16
"""What GroupQueryAttention asks the size of a head, and what it rotates of it, to be a multiple
of."""

_ACTIVATIONS: Mapping[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int

    @property
    def query_size(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        return self.num_kv_heads * self.head_dim


def read_sizes(
    config: ConfigReader, *, head_dim: int | None = None, num_kv_heads: int | None = None
) -> Sizes:
    """The sizes; `head_dim` and `num_kv_heads` are what the family assumes where a config has
    none, instead of what follows from the number of heads. Raises ExportError for heads that the
    attention cannot take."""
    hidden_size = config.integer("hidden_size")
    num_heads = config.integer("num_attention_heads")
    head_dim = config.integer("head_dim", head_dim or hidden_size // num_heads)
    num_kv_heads = config.integer("num_key_value_heads", num_kv_heads or num_heads)
    if num_heads % num_kv_heads:
        raise ExportError(f"{num_heads} query heads cannot share {num_kv_heads} key-value heads")
    if head_dim % HEAD_DIM_STEP:
        raise ExportError(
            f"attention heads of size {head_dim} are not supported; supported are multiples of "
            f"{HEAD_DIM_STEP}"
        )
    return Sizes(
        num_layers=config.integer("num_hidden_layers"),
        hidden_size=hidden_size,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        intermediate_size=config.integer("intermediate_size"),
    )


def read_activation(
    config: ConfigReader, key: str = "hidden_act", default: str = "silu"
) -> Activation:
    """Raises ExportError for one that is not supported."""
    name = config.text(key, default)
    activation = _ACTIVATIONS.get(name)
    if activation is None:
        raise ExportError(
            f"activation {one_line(name)!r} is not supported; supported: "
            f"{', '.join(sorted(_ACTIVATIONS))}"
        )
    return activation


def attention(
    sizes: Sizes,
    layers: Sequence[AttentionLayer],
    *,
    qkv_bias: bool = False,
    out_bias: bool = False,
    norms: QueryKeyNorms | None = None,
    scale: float | None = None,
    softcap: float = 0.0,
) -> Attention:
    """Attention whose queries, keys and values have a linear each."""
    prefix, hidden = f"{LAYER}.self_attn", sizes.hidden_size
    return Attention(
        num_heads=sizes.num_heads,
        num_kv_heads=sizes.num_kv_heads,
        head_dim=sizes.head_dim,
        inputs=(
            Linear(f"{prefix}.q_proj", (sizes.query_size, hidden), qkv_bias),
            Linear(f"{prefix}.k_proj", (sizes.kv_size, hidden), qkv_bias),
            Linear(f"{prefix}.v_proj", (sizes.kv_size, hidden), qkv_bias),
        ),
        out=Linear(f"{prefix}.o_proj", (hidden, sizes.query_size), out_bias),
        layers=tuple(layers),
        norms=norms,
        scale=scale,
        softcap=softcap,
    )


def gated_mlp(sizes: Sizes, activation: Activation, *, bias: bool = False) -> Mlp:
    prefix, hidden, inner = f"{LAYER}.mlp", sizes.hidden_size, sizes.intermediate_size
    return Mlp(
        inputs=(
            Linear(f"{prefix}.gate_proj", (inner, hidden), bias),
            Linear(f"{prefix}.up_proj", (inner, hidden), bias),
        ),
        down=Linear(f"{prefix}.down_proj", (hidden, inner), bias),
        activation=activation,
    )


def norms_before(norm: Norm) -> LayerNorms:
    """A norm like `norm` before each branch of a layer."""
    return LayerNorms(
        before_attention=named(norm, f"{LAYER}.input_layernorm"),
        before_mlp=named(norm, f"{LAYER}.post_attention_layernorm"),
    )


def named(norm: Norm, name: str, size: int | None = None) -> Norm:
    """A norm like `norm` of other weights."""
    return Norm(name, size or norm.size, norm.epsilon, norm.kind, norm.weight_offset)


def final_norm(config: ConfigReader, sizes: Sizes, *, epsilon: float = 1e-6) -> Norm:
    """The RMS norm behind the last layer; `epsilon` is what a config without one means."""
    return Norm("model.norm", sizes.hidden_size, config.positive("rms_norm_eps", epsilon))


def head_norms(norm: Norm, head_dim: int) -> QueryKeyNorms:
    """Norms like `norm` of each query head and each key head."""
    return QueryKeyNorms(
        named(norm, f"{LAYER}.self_attn.q_norm", head_dim),
        named(norm, f"{LAYER}.self_attn.k_norm", head_dim),
    )
