"""The experts of gpt-oss as they are published: all of a layer in one tensor, rows of gate and up
in turn. In MXFP4:

    gate_up_proj_blocks    uint8 [E, 2 * inner, K / 32, 16]    two codes a byte, the even one low
    gate_up_proj_scales    uint8 [E, 2 * inner, K / 32]        exponents of two, plus 127
    gate_up_proj_bias            [E, 2 * inner]

or as plain numbers, whose rows are inputs:

    gate_up_proj                 [E, K, 2 * inner]

likewise `down_proj`, whose rows are all its own. Source: transformers' `integrations/mxfp4`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.quantized.raw import RawTensors
from export.errors import ExportError

_EXPERT = re.compile(
    r"(?P<prefix>.+\.experts)\.(?P<expert>0|[1-9]\d{0,5})"
    r"\.(?P<part>gate|up|down)_proj\.(?P<kind>weight|bias)"
)
_BLOCK = 32
_ROWS = {"gate": slice(0, None, 2), "up": slice(1, None, 2), "down": slice(None)}


@dataclass(frozen=True, slots=True)
class StackedExperts:
    """Each expert as tensors of its own, MXFP4 in the form that GGUF has it in: the same numbers.

    `is_stored` asks for parts of experts by the names that they have one by one.
    """

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        match = _EXPERT.fullmatch(name)
        return match is not None and any(raw.has(part) for part in _parts(match))

    def read(self, raw: RawTensors, name: str) -> Tensor:
        match = _EXPERT.fullmatch(name)
        assert match is not None
        expert, rows = int(match["expert"]), _ROWS[match["part"]]
        stored = next(part for part in _parts(match) if raw.has(part))
        if stored.endswith("_blocks"):
            return _read_blocks(raw, name, stored.removesuffix("_blocks"), expert, rows)
        whole = raw.plain(stored)
        _check_expert(name, expert, whole.shape, 2 if match["kind"] == "bias" else 3)
        one = whole.data[expert].T[rows]
        return Tensor(name, whole.encoding, one.shape, np.ascontiguousarray(one))


def _read_blocks(raw: RawTensors, name: str, stacked: str, expert: int, rows: slice) -> Tensor:
    codes = raw.integers(f"{stacked}_blocks", "U8", 4)
    exponents = raw.integers(f"{stacked}_scales", "U8", 3)
    if codes.shape != (*exponents.shape, _BLOCK // 2):
        raise ExportError(
            f"{stacked}_blocks has the shape {list(codes.shape)}, which scales of "
            f"{list(exponents.shape)} do not fit"
        )
    _check_expert(name, expert, exponents.shape, 3)
    data = _as_ggml(codes[expert, rows], exponents[expert, rows])
    return Tensor(name, Encoding.MXFP4, (data.shape[0], data.shape[1] * _BLOCK), data)


def _parts(match: re.Match[str]) -> tuple[str, ...]:
    """The tensors that may hold it."""
    stacked = f"{match['prefix']}.{'down' if match['part'] == 'down' else 'gate_up'}_proj"
    if match["kind"] == "bias":
        return (f"{stacked}_bias",)
    return (f"{stacked}_blocks", stacked)


def _check_expert(name: str, expert: int, shape: tuple[int, ...], num_dims: int) -> None:
    if len(shape) != num_dims or expert >= shape[0]:
        raise ExportError(f"{name} is not among the experts, whose tensor is {list(shape)}")


def _as_ggml(codes: NDArray[np.generic], exponents: NDArray[np.generic]) -> NDArray[np.generic]:
    """Codes `[N, blocks, 16]` and exponents `[N, blocks]` as ggml's blocks `[N, blocks, 17]`: the
    exponent first, and the second half of a block in the high nibbles."""
    pairs = codes.view(np.uint8)
    in_order = np.empty((*pairs.shape[:-1], _BLOCK), np.uint8)
    in_order[..., 0::2] = pairs & 15
    in_order[..., 1::2] = pairs >> 4
    half = _BLOCK // 2
    data = np.empty((*pairs.shape[:-1], 1 + half), np.uint8)
    data[..., 0] = exponents
    data[..., 1:] = in_order[..., :half] | (in_order[..., half:] << np.uint8(4))
    return data
