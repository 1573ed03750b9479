"""Which architectures there are: each reads a Hugging Face config into a `DecoderSpec`.

A family that shares another's layout is one more row of `FAMILIES`; one that differs brings a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line
from export.decoder.config import ConfigReader
from export.decoder.families.experts import read_mixtral, read_qwen3_moe
from export.decoder.families.gemma import read_gemma, read_gemma2, read_gemma3
from export.decoder.families.gpt_oss import read_gpt_oss
from export.decoder.families.granite import read_granite
from export.decoder.families.llama import read_llama
from export.decoder.families.mistral import read_ministral, read_mistral
from export.decoder.families.olmo import read_olmo2
from export.decoder.families.phi import read_phi3
from export.decoder.families.qwen import read_qwen2, read_qwen3
from export.decoder.families.smollm import read_smollm3
from export.decoder.families.starcoder import read_starcoder2
from export.decoder.spec import DecoderSpec
from export.errors import ExportError

FAMILIES: Mapping[str, Callable[[ConfigReader], DecoderSpec]] = {
    "gemma": read_gemma,
    "gemma2": read_gemma2,
    "gemma3_text": read_gemma3,
    "gpt_oss": read_gpt_oss,
    "granite": read_granite,
    "llama": read_llama,
    "ministral": read_ministral,
    "mistral": read_mistral,
    "mixtral": read_mixtral,
    "olmo2": read_olmo2,
    "phi3": read_phi3,
    "qwen2": read_qwen2,
    "qwen3": read_qwen3,
    "qwen3_moe": read_qwen3_moe,
    "smollm3": read_smollm3,
    "starcoder2": read_starcoder2,
}


_REFUSED: Mapping[str, str] = {
    "granitemoehybrid": "they mix attention with state space layers",
    "qwen2_moe": "they have an expert that all tokens share beside the others",
}
"""Model types that people ask for, and why they are not among the families."""


def read_spec(config: Mapping[str, JsonValue]) -> DecoderSpec:
    """The spec of the decoder that `config` (Hugging Face's keys) describes, for all the context
    it was trained for.

    Raises ExportError for an architecture that is not supported, naming those that are.
    """
    reader = ConfigReader(config)
    model_type = reader.text("model_type", "unnamed")
    if model_type in _REFUSED:
        raise ExportError(f"{model_type} models are not supported: {_REFUSED[model_type]}")
    read = FAMILIES.get(model_type)
    if read is None:
        supported = ", ".join(sorted(FAMILIES))
        raise ExportError(
            f"architecture {one_line(model_type)!r} is not supported; supported: {supported}"
        )
    return read(reader)
