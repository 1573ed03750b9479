"""What every checkpoint offers, whatever its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK_SIZE = 32
"""Weights per quantised block, in every block encoding read here."""

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


class Encoding(Enum):
    """How the bytes of a tensor stand for numbers."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"
    Q4_1 = "q4_1"

    @property
    def is_block(self) -> bool:
        """Whether weights share scales in blocks of `BLOCK_SIZE` along the last axis."""
        return self in (Encoding.Q8_0, Encoding.Q4_0, Encoding.Q4_1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A weight as it is stored, not yet converted.

    `shape` is the logical shape, rows first as PyTorch keeps a linear's weight
    (`[out_features, in_features]`). `data` is memory-mapped where the file allows it:

    - F32, F16: that shape, float32 or float16
    - BF16: that shape, uint16 (the upper half of a float32)
    - Q8_0, Q4_0, Q4_1: uint8 `[rows, blocks_per_row, bytes_per_block]`
    """

    name: str
    encoding: Encoding
    shape: tuple[int, ...]
    data: NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """What text handling needs beside the weights.

    `tokenizer_json` is the content of a Hugging Face `tokenizer.json`; `chat_template` a Jinja
    template or None for a base model; token ids are None where the model has none.
    """

    tokenizer_json: bytes
    chat_template: str | None
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    pad_token_id: int | None
    add_bos_token: bool


class Checkpoint(Protocol):
    """Weights, their architecture and their tokenizer, opened but not loaded."""

    @property
    def config(self) -> Mapping[str, JsonValue]:
        """The architecture in the keys of Hugging Face's `config.json`, `model_type` included."""
        ...

    @property
    def generation_config(self) -> Mapping[str, JsonValue]:
        """The keys of `generation_config.json`, empty where the source has none."""
        ...

    def tokenizer(self) -> TokenizerFiles:
        """Raises ExportError where the source has no usable tokenizer."""
        ...

    def names(self) -> frozenset[str]:
        """The names of the tensors, as transformers names them for this architecture."""
        ...

    def tensor(self, name: str) -> Tensor:
        """One tensor, mapped and not copied. Raises ExportError if it is not there."""
        ...
