"""Which architectures there are: each reads a Hugging Face config into a `DecoderSpec`.

A family that shares another's layout is one more row of `FAMILIES`; one that differs brings a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.families.gemma import read_gemma, read_gemma2, read_gemma3
from export.decoder.families.granite import read_granite
from export.decoder.families.llama import read_llama
from export.decoder.families.mistral import read_ministral, read_mistral
from export.decoder.families.olmo import read_olmo2
from export.decoder.families.phi import read_phi3
from export.decoder.families.qwen import read_qwen2, read_qwen3
from export.decoder.families.smollm import read_smollm3
from export.decoder.families.starcoder import read_starcoder2
from export.decoder.parts import AttentionLayer
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

FAMILIES: Mapping[str, Callable[[ConfigReader], DecoderSpec]] = {
    "gemma": read_gemma,
    "gemma2": read_gemma2,
    "gemma3_text": read_gemma3,
    "granite": read_granite,
    "llama": read_llama,
    "ministral": read_ministral,
    "mistral": read_mistral,
    "olmo2": read_olmo2,
    "phi3": read_phi3,
    "qwen2": read_qwen2,
    "qwen3": read_qwen3,
    "smollm3": read_smollm3,
    "starcoder2": read_starcoder2,
}


def read_spec(config: Mapping[str, JsonValue], context_length: int | None = None) -> DecoderSpec:
    """The spec of the decoder that `config` (Hugging Face's keys) describes, for sequences of up
    to `context_length` tokens.

    Without one it serves the longest context it was trained for; or, if it rotates by other
    factors beyond some length (LongRoPE), that length, since the factors of one graph hold for all
    that it serves. Raises ExportError for an architecture that is not supported, naming those
    that are, and for a longer context than the model has.
    """
    reader = ConfigReader(config)
    model_type = reader.text("model_type", "unnamed")
    read = FAMILIES.get(model_type)
    if read is None:
        supported = ", ".join(sorted(FAMILIES))
        raise ExportError(
            f"architecture {one_line(model_type)!r} is not supported; supported: {supported}"
        )
    return with_context(read(reader), context_length)


def with_context(spec: DecoderSpec, context_length: int | None) -> DecoderSpec:
    """`spec` for sequences of up to `context_length` tokens, see `read_spec`; a window that none
    of them leaves is none."""
    longest = spec.context_length
    if context_length is None:
        context_length = min([longest, *_lengths_trained_first(spec)])
    if not 0 < context_length <= longest:
        raise ExportError(
            f"a context of {context_length} tokens is not supported; this model has {longest}"
        )
    layers = tuple(_seen(layer, context_length) for layer in spec.attention.layers)
    attention = replace(spec.attention, layers=layers)
    return replace(spec, context_length=context_length, attention=attention)


def _lengths_trained_first(spec: DecoderSpec) -> list[int]:
    ropes = [layer.rope for layer in spec.attention.layers]
    return [rope.long.beyond for rope in ropes if rope is not None and rope.long is not None]


def _seen(layer: AttentionLayer, context_length: int) -> AttentionLayer:
    if layer.window is None or layer.window < context_length:
        return layer
    return replace(layer, window=None)
