"""What a package of ours holds for onnxruntime-genai, so that it loads the same folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnx
from tokenizers import Tokenizer

from export.checkpoints.base import TokenizerFiles
from export.decoder.target import Target
from export.genai.config import (
    Decoder,
    GenaiConfig,
    Inputs,
    Model,
    Search,
    SessionOptions,
    write_genai_config,
)
from export.genai.outward import to_genai
from service.store.manifest import GenerationDefaults

GENAI_GRAPH = "genai.onnx"
TOKENIZER_CONFIG = "tokenizer_config.json"

_TYPE = "decoder"
"""genai's word for any decoder, whatever its family: all that differs is in the graph."""

_PROVIDERS: dict[Target, tuple[dict[str, dict[str, str]], ...]] = {
    Target.CPU: (),
    Target.CUDA: ({"cuda": {}},),
    Target.DIRECTML: ({"dml": {}},),
}


class _TokenizerConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """tokenizer_config.json, as far as genai reads it; the rest is in tokenizer.json."""

    tokenizer_class: str
    model_max_length: int
    bos_token: str | None = None
    eos_token: str | None = None
    pad_token: str | None = None
    clean_up_tokenization_spaces: bool | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What is to be said of a model beside its graph; `words` is its loaded tokenizer."""

    context_length: int
    tokenizer: TokenizerFiles
    words: Tokenizer
    target: Target
    generation: GenerationDefaults


def write_for_genai(folder: Path, decoder: onnx.ModelProto, about: Description) -> None:
    """Writes a graph that shares the weights of `decoder`, and the two configs beside it."""
    graph = to_genai(decoder)
    onnx.save(graph, folder / GENAI_GRAPH)
    write_genai_config(folder, _config(graph.graph, about))
    config = msgspec.json.encode(_tokenizer_config(about))
    (folder / TOKENIZER_CONFIG).write_bytes(msgspec.json.format(config, indent=2) + b"\n")


def _config(graph: onnx.GraphProto, about: Description) -> GenaiConfig:
    tokenizer, generation = about.tokenizer, about.generation
    return GenaiConfig(
        model=Model(
            type=_TYPE,
            context_length=about.context_length,
            vocab_size=_sizes(graph.output, "logits")[-1],
            decoder=_decoder(graph, about.target),
            eos_token_id=tokenizer.eos_token_ids or None,
            bos_token_id=tokenizer.bos_token_id,
            pad_token_id=_pad(tokenizer),
        ),
        search=Search(
            do_sample=bool(generation.temperature),
            max_length=about.context_length,
            past_present_share_buffer=True,
            temperature=generation.temperature or 1.0,
            top_p=1.0 if generation.top_p is None else generation.top_p,
        ),
    )


def _decoder(graph: onnx.GraphProto, target: Target) -> Decoder:
    """What genai has to know of the graph, which knows it best."""
    names = Inputs()
    attention = next(node for node in graph.node if node.op_type == "GroupQueryAttention")
    num_layers = sum(node.op_type == "GroupQueryAttention" for node in graph.node)
    _, num_kv_heads, _, head_dim = _sizes(graph.input, names.past_key_names % 0)
    return Decoder(
        filename=GENAI_GRAPH,
        head_size=head_dim,
        num_attention_heads=next(a.i for a in attention.attribute if a.name == "num_heads"),
        num_hidden_layers=num_layers,
        num_key_value_heads=num_kv_heads,
        inputs=names,
        session_options=SessionOptions(provider_options=_PROVIDERS[target]),
    )


def _sizes(values: Iterable[onnx.ValueInfoProto], name: str) -> list[int]:
    value = next(value for value in values if value.name == name)
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _pad(tokenizer: TokenizerFiles) -> int | None:
    """genai pads rows of a batch, and takes what ends a text where nothing else is there."""
    if tokenizer.pad_token_id is not None:
        return tokenizer.pad_token_id
    return next(iter(tokenizer.eos_token_ids), None)


def _tokenizer_config(about: Description) -> _TokenizerConfig:
    def text(token_id: int | None) -> str | None:
        found: str | None = None if token_id is None else about.words.id_to_token(token_id)
        return found

    return _TokenizerConfig(
        tokenizer_class="PreTrainedTokenizerFast",
        model_max_length=about.context_length,
        bos_token=text(about.tokenizer.bos_token_id),
        eos_token=text(next(iter(about.tokenizer.eos_token_ids), None)),
        pad_token=text(_pad(about.tokenizer)),
        clean_up_tokenization_spaces=False,
    )
