"""GGUF metadata as the keys of Hugging Face's config.json and generation_config.json.

Metadata keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from export.checkpoints.base import JsonValue
from export.checkpoints.gguf.architectures import Architecture
from export.checkpoints.gguf.common import Model, positive, shortest
from export.checkpoints.gguf.metadata import Metadata
from export.checkpoints.gguf.reader import GgufFile
from export.checkpoints.gguf.rope import read_rope_scaling
from export.errors import ExportError

_SAMPLING_KEYS = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_p": "top_p",
}
_RMS_EPSILON = "attention.layer_norm_rms_epsilon"


def read_config(gguf: GgufFile, architecture: Architecture) -> dict[str, JsonValue]:
    """The architecture as transformers would describe it.

    Raises ExportError where a value is missing or contradicts another, or for a layout that
    the architecture's row cannot express.
    """
    model = _read_sizes(gguf, architecture.name)
    config: dict[str, JsonValue] = {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "vocab_size": _read_vocab_size(gguf),
        "hidden_size": model.hidden_size,
        "intermediate_size": model.positive("feed_forward_length"),
        "num_hidden_layers": model.num_layers,
        "num_attention_heads": model.num_heads,
        "num_key_value_heads": model.positive("attention.head_count_kv", model.num_heads),
        "head_dim": model.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": model.positive("context_length"),
        "rope_theta": model.number("rope.freq_base", 10000.0),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        "attention_bias": "blk.0.attn_q.bias" in gguf.tensors,
        "mlp_bias": "blk.0.ffn_gate.bias" in gguf.tensors,
    }
    if model.has(_RMS_EPSILON) or not model.has("attention.layer_norm_epsilon"):
        config["rms_norm_eps"] = model.number(_RMS_EPSILON)
    rotary_dim = _read_rotary_dim(model, architecture)
    if rotary_dim != model.head_dim:
        config["partial_rotary_factor"] = rotary_dim / model.head_dim
    if architecture.read_more is not None:
        config |= architecture.read_more(model)
    scaling = read_rope_scaling(model, rotary_dim)
    return config if scaling is None else config | {"rope_scaling": scaling}


def read_generation_config(metadata: Metadata) -> dict[str, JsonValue]:
    """What a package records of the sampling that the model's makers advise."""
    return {
        name: shortest(metadata.number(key))
        for key, name in _SAMPLING_KEYS.items()
        if key in metadata
    }


def _read_sizes(gguf: GgufFile, prefix: str) -> Model:
    metadata = gguf.metadata
    hidden_size = positive(metadata, f"{prefix}.embedding_length")
    num_heads = positive(metadata, f"{prefix}.attention.head_count")
    return Model(
        gguf=gguf,
        prefix=prefix,
        num_layers=_read_num_layers(gguf, f"{prefix}.block_count"),
        num_heads=num_heads,
        hidden_size=hidden_size,
        head_dim=_read_head_dim(metadata, prefix, hidden_size // num_heads),
    )


def _read_num_layers(gguf: GgufFile, key: str) -> int:
    """Checked against the tensors, since the config lists what each layer is."""
    num_layers = positive(gguf.metadata, key)
    if num_layers > len(gguf.tensors):
        raise gguf.metadata.error(key, f"is {num_layers}, more than there are tensors")
    return num_layers


def _read_head_dim(metadata: Metadata, prefix: str, default: int) -> int:
    head_dim = metadata.integer(f"{prefix}.attention.key_length", default)
    key = f"{prefix}.attention.value_length"
    if metadata.integer(key, head_dim) != head_dim:
        raise metadata.error(key, f"differs from the head size {head_dim}: not supported")
    if head_dim == 0 or head_dim % 2:
        raise ExportError(f"{metadata.path}: a head size of {head_dim} is not supported")
    return head_dim


def _read_rotary_dim(model: Model, architecture: Architecture) -> int:
    """How many numbers of a head rotate."""
    key = "rope.dimension_count"
    rotary_dim = model.positive(key, model.head_dim)
    whole = rotary_dim == model.head_dim
    if whole or (
        architecture.rotates_a_part and rotary_dim < model.head_dim and not rotary_dim % 2
    ):
        return rotary_dim
    raise model.metadata.error(
        f"{model.prefix}.{key}", f"differs from the head size {model.head_dim}: not supported"
    )


def _read_vocab_size(gguf: GgufFile) -> int:
    metadata = gguf.metadata
    vocab_size = len(metadata.texts("tokenizer.ggml.tokens"))
    embedding = gguf.tensors.get("token_embd.weight")
    if embedding is None:
        raise ExportError(f"{metadata.path}: there is no tensor 'token_embd.weight'")
    if embedding.shape[0] != vocab_size:
        raise ExportError(
            f"{metadata.path}: {vocab_size} tokens but {embedding.shape[0]} embeddings"
        )
    return vocab_size
