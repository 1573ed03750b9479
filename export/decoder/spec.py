"""What a decoder is, whatever family it belongs to: the facts the graph is built from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary position embedding (Su et al., 2021), with what stretches it to longer contexts.

    `factors` divides the frequency of each of the `head_dim / 2` rotated pairs; empty means
    unscaled. A scaling rule is resolved to these factors when the config is read.
    """

    theta: float
    factors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: its tensors are `name.weight`, shaped `[N, K]`, and perhaps `name.bias`."""

    name: str
    shape: tuple[int, int]
    has_bias: bool


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The architecture of a pre-norm decoder with grouped-query attention and a gated MLP.

    Sizes count elements. `context_length` is the longest sequence, in tokens, that the model was
    trained for.
    """

    family: str
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    vocab_size: int
    context_length: int
    rms_norm_eps: float
    rope: RopeSpec
    tied_head: bool = False
    attention_bias: bool = False
    attention_out_bias: bool = False
    mlp_bias: bool = False
    weights: WeightNames = field(default_factory=lambda: WeightNames())

    @property
    def query_size(self) -> int:
        """Features of all query heads together."""
        return self.num_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        """Features of all key heads (or all value heads) together."""
        return self.num_kv_heads * self.head_dim

    @property
    def query(self) -> Linear:
        return self._into(self.weights.query, self.query_size, self.attention_bias)

    @property
    def key(self) -> Linear:
        return self._into(self.weights.key, self.kv_size, self.attention_bias)

    @property
    def value(self) -> Linear:
        return self._into(self.weights.value, self.kv_size, self.attention_bias)

    @property
    def attention_out(self) -> Linear:
        return self._out_of(self.query_size, self.weights.attention_out, self.attention_out_bias)

    @property
    def gate(self) -> Linear:
        return self._into(self.weights.gate, self.intermediate_size, self.mlp_bias)

    @property
    def up(self) -> Linear:
        return self._into(self.weights.up, self.intermediate_size, self.mlp_bias)

    @property
    def down(self) -> Linear:
        return self._out_of(self.intermediate_size, self.weights.down, self.mlp_bias)

    def _into(self, name: str, size: int, has_bias: bool) -> Linear:
        return Linear(name, (size, self.hidden_size), has_bias)

    def _out_of(self, size: int, name: str, has_bias: bool) -> Linear:
        return Linear(name, (self.hidden_size, size), has_bias)

    @property
    def num_parameters(self) -> int:
        """Weights of all matrices; norms and biases do not count."""
        attention = self.hidden_size * (2 * self.query_size + 2 * self.kv_size)
        mlp = 3 * self.hidden_size * self.intermediate_size
        vocabulary = self.vocab_size * self.hidden_size * (1 if self.tied_head else 2)
        return self.num_layers * (attention + mlp) + vocabulary


@dataclass(frozen=True, slots=True)
class WeightNames:
    """The names a checkpoint gives its tensors; `{i}` stands for the layer."""

    embedding: str = "model.embed_tokens.weight"
    final_norm: str = "model.norm.weight"
    head: str = "lm_head.weight"
    attention_norm: str = "model.layers.{i}.input_layernorm.weight"
    mlp_norm: str = "model.layers.{i}.post_attention_layernorm.weight"
    query: str = "model.layers.{i}.self_attn.q_proj"
    key: str = "model.layers.{i}.self_attn.k_proj"
    value: str = "model.layers.{i}.self_attn.v_proj"
    attention_out: str = "model.layers.{i}.self_attn.o_proj"
    gate: str = "model.layers.{i}.mlp.gate_proj"
    up: str = "model.layers.{i}.mlp.up_proj"
    down: str = "model.layers.{i}.mlp.down_proj"
