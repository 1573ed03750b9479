"""genai_config.json: what onnxruntime-genai reads before it loads a graph.

https://onnxruntime.ai/docs/genai/reference/config.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from export.checkpoints.json_file import one_line, read_bytes
from export.errors import ExportError
from export.sources.genai_files import GENAI_CONFIG

_Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 24)]
_NumLayers = Annotated[int, msgspec.Meta(ge=1, le=1 << 10)]
_Pattern = Annotated[str, msgspec.Meta(pattern=r"^[^%]*%d[^%]*\Z")]
"""A name with a place for the layer's number."""

_FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=100)]


class Inputs(msgspec.Struct, frozen=True):
    """The names of a decoder's inputs. A graph need not have a mask or positions."""

    input_ids: str = "input_ids"
    attention_mask: str = "attention_mask"
    position_ids: str = "position_ids"
    past_key_names: _Pattern = "past_key_values.%d.key"
    past_value_names: _Pattern = "past_key_values.%d.value"


class Outputs(msgspec.Struct, frozen=True):
    """The names of a decoder's outputs."""

    logits: str = "logits"
    present_key_names: _Pattern = "present.%d.key"
    present_value_names: _Pattern = "present.%d.value"


class SessionOptions(msgspec.Struct, frozen=True):
    """The providers the graph is for, in the order of choice; none means the CPU."""

    provider_options: tuple[dict[str, dict[str, str]], ...] = ()
    log_id: str = "onnxruntime-genai"


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """One graph. A `pipeline` of several is read to be refused by name."""

    filename: _FileName
    head_size: _Count
    num_attention_heads: _Count
    num_hidden_layers: _NumLayers
    num_key_value_heads: _Count
    inputs: Inputs = Inputs()
    outputs: Outputs = Outputs()
    session_options: SessionOptions = SessionOptions()
    pipeline: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model. Its parts beside a decoder are read to be refused by name."""

    type: str
    context_length: _Count
    vocab_size: _Count
    decoder: Decoder
    eos_token_id: int | tuple[int, ...] | None = None
    bos_token_id: int | None = None
    pad_token_id: int | None = None
    encoder: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    embedding: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    vision: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    speech: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        if self.eos_token_id is None:
            return ()
        return (self.eos_token_id,) if isinstance(self.eos_token_id, int) else self.eos_token_id


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """How to choose tokens where the caller does not say. Temperature and top_p count only where
    `do_sample` is set."""

    do_sample: bool = False
    max_length: int = 0
    past_present_share_buffer: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0


class GenaiConfig(msgspec.Struct, frozen=True):
    model: Model
    search: Search = Search()


def read_genai_config(folder: Path) -> GenaiConfig:
    """Raises ExportError where the folder's config is malformed or needs more than a decoder."""
    path = folder / GENAI_CONFIG
    try:
        config = msgspec.json.decode(read_bytes(path), type=GenaiConfig)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExportError(f"{path}: {one_line(str(error))}") from error
    _refuse_other_parts(config.model, path)
    return config


def write_genai_config(folder: Path, config: GenaiConfig) -> None:
    text = msgspec.json.format(msgspec.json.encode(config), indent=2)
    (folder / GENAI_CONFIG).write_bytes(text + b"\n")


Part = Literal["encoder", "embedding", "vision", "speech"]
_PARTS: tuple[Part, ...] = ("encoder", "embedding", "vision", "speech")


def _refuse_other_parts(model: Model, path: Path) -> None:
    for part in _PARTS:
        if getattr(model, part) is not msgspec.UNSET:
            raise ExportError(
                f"{path}: {one_line(model.type)!r} has a part {part!r} beside its decoder, and "
                "only graphs that are decoders alone can be imported"
            )
    if model.decoder.pipeline is not msgspec.UNSET:
        raise ExportError(
            f"{path}: its decoder is a pipeline of several graphs, and only a single graph can be "
            "imported"
        )
