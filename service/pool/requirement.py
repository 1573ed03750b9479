"""What a model will take in memory, told from its manifest before anything of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.runtime.providers import Provider
from service.settings import Settings
from service.store.packages import AnyPackage, EncoderPackage, Package

_MARGIN_BYTES: Final = 128_000_000
"""Tokenizer, template, and what a step or a batch computes with."""

_WEIGHTS_PER_COPY: Final = 4
"""ONNX Runtime lays weights out anew for its kernels; measured, a quarter of them comes on top."""

_BYTES_PER_LOGIT: Final = 4


@dataclass(frozen=True, slots=True)
class Requirement:
    """`kv_bytes` is the whole cache, of which the pages of tokens never seen are never touched."""

    weights_bytes: int
    kv_bytes: int
    margin_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.margin_bytes

    def __str__(self) -> str:
        return (
            f"{shown(self.total_bytes)} (weights {shown(self.weights_bytes)}, KV cache "
            f"{shown(self.kv_bytes)}, working memory {shown(self.margin_bytes)})"
        )


def requirement_of(
    package: AnyPackage, provider: Provider, settings: Settings, context_length: int
) -> Requirement:
    """What `package` takes with a context of so many tokens."""
    weights = package.manifest.weights_bytes
    margin = _MARGIN_BYTES + weights // _WEIGHTS_PER_COPY
    if isinstance(package, EncoderPackage):
        return Requirement(weights, 0, margin)
    num_slots = num_slots_of(provider, settings)
    margin += num_slots * package.manifest.architecture.vocab_size * _BYTES_PER_LOGIT
    return Requirement(weights, _kv_bytes(package, num_slots, context_length), margin)


def num_slots_of(provider: Provider, settings: Settings) -> int:
    """The requests that run at once in a decoder."""
    return settings.slots if provider.slot_views else 1


def shown(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB"


def _kv_bytes(package: Package, num_slots: int, context_length: int) -> int:
    return num_slots * context_length * package.manifest.architecture.kv_bytes_per_token
