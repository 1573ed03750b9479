"""Mixtures of experts: Mixtral and Qwen 3 MoE, which are Mistral and Qwen 3 with many MLPs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from export.decoder.config import ConfigReader
from export.decoder.families.common import LAYER, read_activation, read_sizes
from export.decoder.families.llama import llama_layout
from export.decoder.families.qwen import with_head_norms
from export.decoder.families.windows import with_windows
from export.decoder.parts import Experts, Linear, Mlp
from export.decoder.spec import DecoderSpec
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class _Mixture:
    """How many experts there are, how large, and how a checkpoint calls their parts."""

    num_experts: int
    num_active: int
    inner_size: int
    prefix: str
    gate: str
    up: str
    down: str

    def of(self, hidden_size: int) -> Experts:
        """Raises ExportError where more are active than there are."""
        if self.num_active > self.num_experts:
            raise ExportError(f"{self.num_active} of {self.num_experts} experts cannot be active")
        return Experts(
            router=Linear(f"{self.prefix}.gate", (self.num_experts, hidden_size)),
            num_active=self.num_active,
            mlps=tuple(self._mlp(hidden_size, expert) for expert in range(self.num_experts)),
        )

    def _mlp(self, hidden_size: int, expert: int) -> Mlp:
        prefix, inner = f"{self.prefix}.experts.{expert}", self.inner_size
        return Mlp(
            inputs=(
                Linear(f"{prefix}.{self.gate}", (inner, hidden_size)),
                Linear(f"{prefix}.{self.up}", (inner, hidden_size)),
            ),
            down=Linear(f"{prefix}.{self.down}", (hidden_size, inner)),
        )


def read_mixtral(config: ConfigReader) -> DecoderSpec:
    spec = llama_layout(config, read_sizes(config, num_kv_heads=8), epsilon=1e-5, theta=1e6)
    window = config.optional_integer("sliding_window", None)
    mixture = _Mixture(
        num_experts=config.integer("num_local_experts", 8),
        num_active=config.integer("num_experts_per_tok", 2),
        inner_size=config.integer("intermediate_size"),
        prefix=f"{LAYER}.block_sparse_moe",
        gate="w1",
        up="w3",
        down="w2",
    )
    return _mixed(config, with_windows(spec, [window] * spec.num_layers), mixture)


def read_qwen3_moe(config: ConfigReader) -> DecoderSpec:
    """Raises ExportError where only some layers are mixtures, and where the weights of the chosen
    experts are left as they are: ONNX Runtime's QMoE divides them by their sum."""
    if config.integer("decoder_sparse_step", 1) != 1 or config.has_items("mlp_only_layers"):
        raise ExportError("layers without experts among layers with them are not supported")
    if not config.flag("norm_topk_prob", False):
        raise ExportError("experts whose weights do not add up to one are not supported")
    bias = config.flag("attention_bias", False)
    spec = llama_layout(config, read_sizes(config, num_kv_heads=4), qkv_bias=bias, out_bias=bias)
    if config.flag("use_sliding_window", False):
        window = config.optional_integer("sliding_window", 4096)
        spec = with_windows(spec, [window] * spec.num_layers)
    mixture = _Mixture(
        num_experts=config.integer("num_experts", 128),
        num_active=config.integer("num_experts_per_tok", 8),
        inner_size=config.integer("moe_intermediate_size", 768),
        prefix=f"{LAYER}.mlp",
        gate="gate_proj",
        up="up_proj",
        down="down_proj",
    )
    return _mixed(config, with_head_norms(spec), mixture)


def _mixed(config: ConfigReader, spec: DecoderSpec, mixture: _Mixture) -> DecoderSpec:
    """`spec` with experts instead of its MLP."""
    if read_activation(config) != "silu":
        raise ExportError("experts with another activation than silu are not supported")
    return replace(spec, mlp=mixture.of(spec.hidden_size))
