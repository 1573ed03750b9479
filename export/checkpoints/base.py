"""What every checkpoint offers, whatever its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


class Encoding(Enum):
    """How the bytes of a tensor stand for numbers."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"
    Q4_0 = "q4_0"
    Q4_1 = "q4_1"
    Q5_0 = "q5_0"
    Q5_1 = "q5_1"
    Q2_K = "q2_k"
    Q3_K = "q3_k"
    Q4_K = "q4_k"
    Q5_K = "q5_k"
    Q6_K = "q6_k"
    IQ4_NL = "iq4_nl"
    IQ4_XS = "iq4_xs"
    MXFP4 = "mxfp4"
    GROUPED = "grouped"

    @property
    def is_block(self) -> bool:
        """Whether weights share scales in blocks along the last axis."""
        return self not in (Encoding.F32, Encoding.F16, Encoding.BF16)


@dataclass(frozen=True, slots=True)
class Groups:
    """How the codes of a GROUPED tensor `[N, K]` are read: `weight = (code - zero) * scale`.

    - `scales`: float32 `[N, K / size]`
    - `zeros`: uint8 `[N, K / size]`, or None where all are `2 ** (bits - 1)`
    - `order`: int64 `[K]`, the input that each column of codes belongs to, or None where the
      columns are in order. Groups are made of neighbouring columns.
    """

    bits: Literal[4, 8]
    size: int
    scales: NDArray[np.float32]
    zeros: NDArray[np.uint8] | None = None
    order: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A weight as it is stored, not yet converted.

    `shape` is the logical shape, rows first as PyTorch keeps a linear's weight
    (`[out_features, in_features]`). `data` is memory-mapped where the file allows it:

    - F32, F16: that shape, float32 or float16
    - BF16: that shape, uint16 (the upper half of a float32)
    - GROUPED: uint8 `[N, K]`, one code each, not mapped; `groups` says what they stand for
    - all others: uint8 `[rows, stored_blocks_per_row, bytes_per_stored_block]`
    """

    name: str
    encoding: Encoding
    shape: tuple[int, ...]
    data: NDArray[np.generic]
    groups: Groups | None = None


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """What text handling needs beside the weights.

    `tokenizer_json` is the content of a Hugging Face `tokenizer.json`; `chat_template` a Jinja
    template or None for a base model; token ids are None where the model has none.
    `closing_token_id` is what ends a text that is not continued, where the files ask for it;
    `template_origin` says where the template is from, to people.
    """

    tokenizer_json: bytes
    chat_template: str | None
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    pad_token_id: int | None
    add_bos_token: bool
    closing_token_id: int | None = None
    template_origin: str = field(default="its chat template", compare=False)


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
