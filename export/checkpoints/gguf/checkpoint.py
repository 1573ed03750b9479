"""A GGUF file as a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from export.checkpoints.base import JsonValue, Tensor, TokenizerFiles
from export.checkpoints.gguf.architectures import Architecture, read_architecture
from export.checkpoints.gguf.config import read_config, read_generation_config
from export.checkpoints.gguf.layout import (
    HeadCounts,
    select_expert,
    subtract_one,
    unpermute_rope,
)
from export.checkpoints.gguf.names import Stored, is_ignored, to_hugging_face
from export.checkpoints.gguf.pooling import read_pooling
from export.checkpoints.gguf.reader import GgufFile, TensorInfo, read_gguf
from export.checkpoints.gguf.tokenizer import read_tokenizer
from export.checkpoints.json_file import one_line
from export.errors import ExportError


class GgufCheckpoint:
    """See `Checkpoint`. Tensors are mapped; copied are Llama's Q and K, to reorder their rows, and
    Gemma's norms. Of stacked experts each is a tensor of its own."""

    def __init__(self, path: Path) -> None:
        """Raises ExportError for a damaged file or one that is not supported."""
        self._gguf = read_gguf(path)
        metadata = self._gguf.metadata
        if metadata.integer("split.count", 1) > 1:
            raise ExportError(
                f"{path}: this is one part of a split model; merge the parts with llama.cpp's "
                "llama-gguf-split --merge first"
            )
        architecture = read_architecture(metadata)
        self._architecture = architecture
        self.pooling = read_pooling(metadata, architecture.name)
        """How vectors of texts are made, None for a model that generates text."""
        self._config = read_config(self._gguf, architecture)
        self._generation_config = read_generation_config(metadata)
        self._stored = _name_tensors(self._gguf, architecture)
        self._heads: HeadCounts | None = None
        if architecture.has_permuted_rope:
            self._heads = _read_heads(self._gguf, self._config)

    @property
    def config(self) -> Mapping[str, JsonValue]:
        return self._config

    @property
    def generation_config(self) -> Mapping[str, JsonValue]:
        return self._generation_config

    def tokenizer(self) -> TokenizerFiles:
        return read_tokenizer(self._gguf.metadata)

    def names(self) -> frozenset[str]:
        return frozenset(self._stored)

    def tensor(self, name: str) -> Tensor:
        stored = self._stored.get(name)
        if stored is None:
            raise ExportError(f"{self._gguf.metadata.path}: there is no tensor {one_line(name)!r}")
        tensor = replace(self._gguf.tensor(stored.name), name=name)
        if stored.expert is not None:
            return select_expert(tensor, stored.expert)
        if self._architecture.adds_one_to_norms:
            return subtract_one(tensor)
        return tensor if self._heads is None else unpermute_rope(tensor, self._heads)


def _name_tensors(gguf: GgufFile, architecture: Architecture) -> dict[str, Stored]:
    """Where the tensors lie, by transformers' names."""
    stored: dict[str, Stored] = {}
    for info in gguf.tensors.values():
        if is_ignored(info.name):
            continue
        name = to_hugging_face(info.name, architecture.layer_names)
        if name is None:
            raise ExportError(
                f"{gguf.metadata.path}: tensor {one_line(info.name)!r} is not known for this "
                "architecture"
            )
        if "{e}" not in name:
            stored[name] = Stored(info.name)
            continue
        for expert in range(_num_experts(gguf, architecture, info)):
            stored[name.replace("{e}", str(expert))] = Stored(info.name, expert)
    return stored


def _num_experts(gguf: GgufFile, architecture: Architecture, info: TensorInfo) -> int:
    declared = gguf.metadata.integer(f"{architecture.name}.expert_count")
    num_dims = 3 if info.name.endswith(".weight") else 2
    if info.shape[0] != declared or len(info.shape) != num_dims:
        raise ExportError(
            f"{gguf.metadata.path}: tensor {one_line(info.name)!r} has the shape "
            f"{list(info.shape)}, expected {declared} experts"
        )
    return declared


def _read_heads(gguf: GgufFile, config: Mapping[str, JsonValue]) -> HeadCounts:
    """The head counts, having checked that Q and K hold that many heads in every layer."""
    num_heads, num_kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config["head_dim"]
    assert isinstance(num_heads, int)
    assert isinstance(num_kv_heads, int)
    assert isinstance(head_dim, int)
    rows = {".attn_q.": num_heads * head_dim, ".attn_k.": num_kv_heads * head_dim}
    for info in gguf.tensors.values():
        for part, expected in rows.items():
            if part not in info.name:
                continue
            if info.shape[0] != expected or len(info.shape) > 2:
                raise ExportError(
                    f"{gguf.metadata.path}: tensor {one_line(info.name)!r} has the shape "
                    f"{list(info.shape)}, expected {expected} rows"
                )
            if info.encoding.is_block and len(info.shape) == 1:
                raise ExportError(
                    f"{gguf.metadata.path}: tensor {one_line(info.name)!r} is a bias in blocks, "
                    "which is not supported"
                )
    return HeadCounts(num_heads, num_kv_heads)
