"""What a decoder is, whatever family it belongs to: the facts the graph is built from."""

from __future__ import annotations

from dataclasses import dataclass

from export.decoder.parts import UNSCALED, Attention, Experts, LayerNorms, Linear, Mlp, Norm, Scales


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """A stack of layers of attention and an MLP between an embedding and a head.

    Sizes count elements. `context_length` is the longest sequence, in tokens, that the package
    serves. `embedding` and `head` name tensors `[vocab_size, hidden_size]`; a tied head is the
    embedding.
    """

    family: str
    num_layers: int
    hidden_size: int
    vocab_size: int
    context_length: int
    attention: Attention
    mlp: Mlp | Experts
    norms: LayerNorms
    final_norm: Norm
    scales: Scales = UNSCALED
    embedding: str = "model.embed_tokens.weight"
    head: str = "lm_head.weight"
    tied_head: bool = False

    def __post_init__(self) -> None:
        assert len(self.attention.layers) == self.num_layers

    @property
    def linears(self) -> tuple[Linear, ...]:
        """Those of one layer."""
        return self.attention.linears + self.mlp.linears

    def sensitive(self, layer: int) -> tuple[Linear, ...]:
        """The linears of `layer` whose rounding costs most for their size: what makes queries,
        keys and values, and in the outer layers and every third between them what ends the MLP.

        Measured by rounding each kind alone; that all others stay in 4 bits is the point of it.
        """
        outer = self.num_layers // 8
        is_outer = layer < outer or layer >= self.num_layers - outer
        if isinstance(self.mlp, Experts) or not (is_outer or layer % 3 == 0):
            return self.attention.inputs
        return (*self.attention.inputs, self.mlp.down)

    @property
    def fine(self) -> tuple[Linear, ...]:
        """The linears of a layer that lose most where inputs are rounded in blocks of 64 rather
        than of 32: those that open the MLP, as much as all others together (measured, with 8-bit
        weights: 0.002 nats per token each)."""
        mlps = self.mlp.mlps if isinstance(self.mlp, Experts) else (self.mlp,)
        return tuple(linear for mlp in mlps for linear in mlp.inputs)

    @property
    def typical_linear(self) -> Linear:
        """One that is stored as most weights are."""
        mlp = self.mlp.mlps[0] if isinstance(self.mlp, Experts) else self.mlp
        return mlp.inputs[0]

    @property
    def num_parameters(self) -> int:
        """Weights of all matrices; norms and biases do not count."""
        layer = sum(linear.shape[0] * linear.shape[1] for linear in self.linears)
        vocabulary = self.vocab_size * self.hidden_size * (1 if self.tied_head else 2)
        return self.num_layers * layer + vocabulary
