"""Checkpoints of a decoder without its head, whose tensors' names lack the prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from export.checkpoints.base import Checkpoint, JsonValue, Tensor, TokenizerFiles

_PREFIX = "model."


@dataclass(frozen=True, slots=True)
class Bare:
    """`checkpoint` with the names that its tensors have in a model with a head."""

    checkpoint: Checkpoint

    @property
    def config(self) -> Mapping[str, JsonValue]:
        return self.checkpoint.config

    @property
    def generation_config(self) -> Mapping[str, JsonValue]:
        return self.checkpoint.generation_config

    def tokenizer(self) -> TokenizerFiles:
        return self.checkpoint.tokenizer()

    def names(self) -> frozenset[str]:
        return frozenset(_PREFIX + name for name in self.checkpoint.names())

    def tensor(self, name: str) -> Tensor:
        return self.checkpoint.tensor(name.removeprefix(_PREFIX))


def with_prefix(checkpoint: Checkpoint) -> Checkpoint:
    """`checkpoint`, its tensors named as in a model with a head, whichever way it names them."""
    is_bare = any(name.startswith("layers.") for name in checkpoint.names())
    return Bare(checkpoint) if is_bare else checkpoint
