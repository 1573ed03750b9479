"""The architectures that GGUF files are read for, one row each.

Sources: llama.cpp's conversion scripts (what is written under which key, and which rows and norms
are changed) and its model graphs (what has no key there and is a constant of the architecture).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf import features
from export.checkpoints.gguf.common import Model
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.names import (
    EXPERTS,
    GEMMA_NORMS,
    LAYER,
    MIXTRAL_EXPERTS,
    OLMO_NORMS,
    PHI3_PACKED,
    QK_NORMS,
    SINKS,
    STARCODER2_MLP,
    LayerNames,
)
from export.checkpoints.json_file import one_line
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one of llama.cpp's architectures is called and laid out in transformers.

    - `name` prefixes the metadata keys; `layer_names` translates the tensors of a layer
    - `read_more` gives the keys of config.json that not every architecture has
    - `has_permuted_rope`: the rows of Q and K are in the order that rotates neighbours instead of
      halves
    - `adds_one_to_norms`: norms are stored as the factor itself, where transformers adds one to it
    - `rotates_a_part`: the rotary embedding may leave a part of each head alone
    """

    name: str
    model_type: str
    class_name: str
    layer_names: LayerNames
    read_more: Callable[[Model], dict[str, JsonValue]] | None = None
    has_permuted_rope: bool = False
    adds_one_to_norms: bool = False
    rotates_a_part: bool = False


_LLAMA = Architecture("llama", "llama", "LlamaForCausalLM", LAYER, has_permuted_rope=True)
_MIXTRAL = Architecture(
    "llama",
    "mixtral",
    "MixtralForCausalLM",
    LAYER | MIXTRAL_EXPERTS,
    features.mixtral,
    has_permuted_rope=True,
)
_MISTRAL = Architecture(
    "llama", "mistral", "MistralForCausalLM", LAYER, features.window, has_permuted_rope=True
)
_OLMO2 = Architecture("olmo2", "olmo2", "Olmo2ForCausalLM", LAYER | QK_NORMS | OLMO_NORMS)
_OLMO3 = Architecture(
    "olmo2", "olmo3", "Olmo3ForCausalLM", LAYER | QK_NORMS | OLMO_NORMS, features.olmo3
)

ARCHITECTURES: Mapping[str, Architecture] = {
    row.name: row
    for row in (
        _LLAMA,
        Architecture(
            "mistral3",
            "ministral3",
            "Ministral3ForCausalLM",
            LAYER,
            features.window,
            has_permuted_rope=True,
        ),
        Architecture(
            "smollm3",
            "smollm3",
            "SmolLM3ForCausalLM",
            LAYER,
            features.smollm3,
            has_permuted_rope=True,
        ),
        Architecture(
            "granite",
            "granite",
            "GraniteForCausalLM",
            LAYER,
            features.granite,
            has_permuted_rope=True,
        ),
        Architecture("qwen2", "qwen2", "Qwen2ForCausalLM", LAYER),
        Architecture("qwen3", "qwen3", "Qwen3ForCausalLM", LAYER | QK_NORMS),
        Architecture(
            "qwen3moe",
            "qwen3_moe",
            "Qwen3MoeForCausalLM",
            LAYER | QK_NORMS | EXPERTS,
            features.qwen3_moe,
        ),
        Architecture(
            "phi3",
            "phi3",
            "Phi3ForCausalLM",
            LAYER | PHI3_PACKED,
            features.phi3,
            rotates_a_part=True,
        ),
        Architecture(
            "gemma", "gemma", "GemmaForCausalLM", LAYER, features.gemma, adds_one_to_norms=True
        ),
        Architecture(
            "gemma2",
            "gemma2",
            "Gemma2ForCausalLM",
            LAYER | GEMMA_NORMS,
            features.gemma2,
            adds_one_to_norms=True,
        ),
        Architecture(
            "gemma3",
            "gemma3_text",
            "Gemma3ForCausalLM",
            LAYER | QK_NORMS | GEMMA_NORMS,
            features.gemma3,
            adds_one_to_norms=True,
        ),
        _OLMO2,
        Architecture(
            "starcoder2",
            "starcoder2",
            "Starcoder2ForCausalLM",
            LAYER | STARCODER2_MLP,
            features.starcoder2,
        ),
        Architecture(
            "gpt-oss",
            "gpt_oss",
            "GptOssForCausalLM",
            LAYER | EXPERTS | SINKS,
            features.gpt_oss,
        ),
    )
}

_WITH_WINDOW: Mapping[str, Architecture] = {"llama": _MISTRAL, "olmo2": _OLMO3}
_WITH_EXPERTS = ("qwen3moe", "gpt-oss")


def read_architecture(metadata: Metadata) -> Architecture:
    """The file's architecture. Raises ExportError for one that is not supported."""
    name = metadata.text("general.architecture")
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        raise ExportError(
            f"{metadata.path}: the architecture {one_line(name)!r} is not supported in GGUF files; "
            f"supported: {', '.join(sorted(ARCHITECTURES))}"
        )
    has_experts = metadata.integer(f"{name}.expert_count", 0) > 0
    if has_experts and architecture is _LLAMA:
        return _MIXTRAL
    if has_experts and name not in _WITH_EXPERTS:
        raise ExportError(
            f"{metadata.path}: {name} as a mixture of experts is not supported in GGUF files"
        )
    if features.window_of(metadata, name) is None:
        return architecture
    # One name in GGUF, two in transformers.
    return _WITH_WINDOW.get(name, architecture)
