"""The layouts of compressed-tensors (vLLM's LLM Compressor) that hold whole numbers.

pack-quantized:

    weight_packed       int32 [N, K * bits / 32]   codes along K
    weight_scale        float [N, G]
    weight_zero_point   int32 [N * bits / 32, G]   zeros along N, not there if symmetric
    weight_g_idx        int32 [K]                  the group of each input, with act-order

int-quantized and naive-quantized:

    weight              int8 [N, K]
    weight_scale        float [N, G]
    weight_zero_point   int8 [N, G]                not there if symmetric
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Tensor
from export.checkpoints.dequantize import dequantize
from export.checkpoints.json_file import one_line
from export.checkpoints.quantized.packing import Bits, Codes, grouped, unpack_columns, unpack_rows
from export.checkpoints.quantized.raw import RawTensors
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """See above."""

    bits: Bits

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        return raw.has(f"{name}_packed")

    def read(self, raw: RawTensors, name: str) -> Tensor:
        codes = unpack_columns(raw.integers(f"{name}_packed", "I32", 2), self.bits)
        zero_point, g_idx = f"{name}_zero_point", f"{name}_g_idx"
        zeros: Codes | None = None
        if raw.has(zero_point):
            zeros = unpack_rows(raw.integers(zero_point, "I32", 2), self.bits).T
        return grouped(
            name,
            codes,
            self.bits,
            _scales(raw, name),
            None if zeros is None else np.ascontiguousarray(zeros),
            raw.integers(g_idx, "I32", 1) if raw.has(g_idx) else None,
        )


@dataclass(frozen=True, slots=True)
class Int8Layout:
    """See above."""

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        return raw.dtype(name) == "I8"

    def read(self, raw: RawTensors, name: str) -> Tensor:
        zero_point = f"{name}_zero_point"
        zeros = _unsigned(raw, zero_point) if raw.has(zero_point) else None
        return grouped(name, _unsigned(raw, name), 8, _scales(raw, name), zeros)


def _scales(raw: RawTensors, name: str) -> NDArray[np.float32]:
    scales = dequantize(raw.plain(f"{name}_scale"))
    if scales.ndim != 2:
        raise ExportError(
            f"{one_line(name)}: a scale for all of a weight's whole numbers is not supported"
        )
    return scales


def _unsigned(raw: RawTensors, name: str) -> Codes:
    codes: Codes = raw.integers(name, "I8", 2).view(np.uint8) ^ np.uint8(0x80)
    return codes
