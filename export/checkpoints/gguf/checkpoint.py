"""A GGUF file as a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from export.checkpoints.base import JsonValue, Tensor, TokenizerFiles
from export.checkpoints.gguf.architectures import read_architecture
from export.checkpoints.gguf.config import read_config, read_generation_config
from export.checkpoints.gguf.names import (
    HeadCounts,
    is_ignored,
    to_hugging_face,
    unpermute_rope,
)
from export.checkpoints.gguf.reader import GgufFile, read_gguf
from export.checkpoints.gguf.tokenizer import read_tokenizer
from export.checkpoints.json_file import one_line
from export.errors import ExportError


class GgufCheckpoint:
    """See `Checkpoint`. Tensors are mapped; only Q and K are copied, to reorder their rows."""

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
        self._config = read_config(self._gguf, architecture)
        self._generation_config = read_generation_config(metadata)
        self._gguf_names = _name_tensors(self._gguf)
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
        return frozenset(self._gguf_names)

    def tensor(self, name: str) -> Tensor:
        gguf_name = self._gguf_names.get(name)
        if gguf_name is None:
            raise ExportError(f"{self._gguf.metadata.path}: there is no tensor {one_line(name)!r}")
        tensor = replace(self._gguf.tensor(gguf_name), name=name)
        return tensor if self._heads is None else unpermute_rope(tensor, self._heads)


def _name_tensors(gguf: GgufFile) -> dict[str, str]:
    """transformers' names to GGUF's."""
    names: dict[str, str] = {}
    for gguf_name in gguf.tensors:
        if is_ignored(gguf_name):
            continue
        name = to_hugging_face(gguf_name)
        if name is None:
            raise ExportError(
                f"{gguf.metadata.path}: tensor {one_line(gguf_name)!r} is not known for this "
                "architecture"
            )
        names[name] = gguf_name
    return names


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
