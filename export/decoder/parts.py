"""The parts that decoders are composed of, each a few facts that belong together.

The name of a weight may hold `{i}`, which stands for the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["silu", "gelu_tanh", "gelu"]


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: its tensors are `name.weight`, shaped `[N, K]`, and perhaps `name.bias`."""

    name: str
    shape: tuple[int, int]
    has_bias: bool = False


@dataclass(frozen=True, slots=True)
class Norm:
    """A normalisation over the last `size` features; its tensors are `name.weight`, to which
    `weight_offset` is added, and `name.bias` where the mean is subtracted too (`layer`)."""

    name: str
    size: int
    epsilon: float
    kind: Literal["rms", "layer"] = "rms"
    weight_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class LongRope:
    """The factors that hold in a context of more than `beyond` tokens (LongRoPE)."""

    beyond: int
    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary position embedding (Su et al., 2021), with what stretches it to longer contexts.

    The first `dim` features of a head are rotated. `factors` divides the frequency of each of the
    `dim / 2` pairs; empty means unscaled. `magnitude` multiplies what was rotated. A scaling rule
    is resolved to these when the config is read.
    """

    theta: float
    dim: int
    factors: tuple[float, ...] = ()
    magnitude: float = 1.0
    long: LongRope | None = None


@dataclass(frozen=True, slots=True)
class AttentionLayer:
    """What differs from layer to layer: how positions are told, if at all, and of how many
    tokens, itself among them, a token sees the last; None is all."""

    rope: RopeSpec | None
    window: int | None = None


@dataclass(frozen=True, slots=True)
class QueryKeyNorms:
    """Norms of queries and keys before they are rotated: of each head, or of all heads at once if
    that is their size."""

    query: Norm
    key: Norm


@dataclass(frozen=True, slots=True)
class Attention:
    """Causal attention, groups of query heads sharing a key-value head.

    `inputs` make queries, keys and values: a linear for each, or one for all three in that order.
    Scores are multiplied by `scale` and, if `softcap` is not zero, bent into ±`softcap`. `sinks`
    names a vector of logits, one for each query head, that take part in the softmax alone.
    """

    num_heads: int
    num_kv_heads: int
    head_dim: int
    inputs: tuple[Linear, ...]
    out: Linear
    layers: tuple[AttentionLayer, ...]
    scale: float | None = None
    softcap: float = 0.0
    norms: QueryKeyNorms | None = None
    sinks: str = ""

    @property
    def query_size(self) -> int:
        """Features of all query heads together."""
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        """Features of all key heads (or all value heads) together."""
        return self.num_kv_heads * self.head_dim

    @property
    def linears(self) -> tuple[Linear, ...]:
        return (*self.inputs, self.out)


@dataclass(frozen=True, slots=True)
class Mlp:
    """`down(activation(gate(x)) * up(x))`, or `down(activation(up(x)))` where nothing is gated.

    `inputs` are gate and up, one linear for both in that order, or up alone.
    """

    inputs: tuple[Linear, ...]
    down: Linear
    activation: Activation = "silu"
    is_gated: bool = True

    @property
    def linears(self) -> tuple[Linear, ...]:
        return (*self.inputs, self.down)


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of `mlps`, gated and alike in shape: a token goes through the `num_active` for
    which `router` has the largest logits, weighted by the softmax of these.

    The gate is `g * sigmoid(steepness * g)`, SiLU if that is one. If there is a `limit`, `g` is
    cut off above it and what comes from up on both sides. `up_offset` is added to the latter.
    """

    router: Linear
    num_active: int
    mlps: tuple[Mlp, ...]
    steepness: float = 1.0
    up_offset: float = 0.0
    limit: float | None = None

    @property
    def linears(self) -> tuple[Linear, ...]:
        return (self.router, *(linear for mlp in self.mlps for linear in mlp.linears))


@dataclass(frozen=True, slots=True)
class LayerNorms:
    """Where a layer normalises: what goes into its two branches, and what comes out of them."""

    before_attention: Norm | None
    before_mlp: Norm | None
    after_attention: Norm | None = None
    after_mlp: Norm | None = None

    @property
    def all(self) -> tuple[Norm, ...]:
        norms = (self.before_attention, self.after_attention, self.before_mlp, self.after_mlp)
        return tuple(norm for norm in norms if norm is not None)


@dataclass(frozen=True, slots=True)
class Scales:
    """Factors of what is embedded, of what a branch adds to the stream, and of the logits, which
    are then bent into ±`logits_softcap` if that is not zero."""

    embedding: float = 1.0
    branch: float = 1.0
    logits: float = 1.0
    logits_softcap: float = 0.0


UNSCALED = Scales()
