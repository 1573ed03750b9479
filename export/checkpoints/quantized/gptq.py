"""GPTQ's layout, as AutoGPTQ and GPTQModel write it (`qlinear_torch.py` of both).

qweight   int32 [K * bits / 32, N]   codes along K
qzeros    int32 [G, N * bits / 32]   zeros along N; format "gptq" stores each minus one
scales    float [G, N]
g_idx     int32 [K]                  the group of each input, out of order with desc_act
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from export.checkpoints.base import Tensor
from export.checkpoints.dequantize import dequantize
from export.checkpoints.quantized.packing import Bits, Codes, grouped, unpack_columns, unpack_rows
from export.checkpoints.quantized.raw import RawTensors
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class GptqLayout:
    """`zeros_minus_one` is that of format "gptq"; "gptq_v2" stores zeros as they are."""

    bits: Bits
    zeros_minus_one: bool

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        return raw.has(_part(name, "qweight"))

    def read(self, raw: RawTensors, name: str) -> Tensor:
        codes = unpack_rows(raw.integers(_part(name, "qweight"), "I32", 2), self.bits)
        zeros = unpack_columns(raw.integers(_part(name, "qzeros"), "I32", 2), self.bits).T
        scales = dequantize(raw.plain(_part(name, "scales")))
        g_idx = _part(name, "g_idx")
        return grouped(
            name,
            codes,
            self.bits,
            np.ascontiguousarray(scales.T),
            np.ascontiguousarray(self._zeros(name, zeros)),
            raw.integers(g_idx, "I32", 1) if raw.has(g_idx) else None,
        )

    def _zeros(self, name: str, stored: Codes) -> Codes:
        if not self.zeros_minus_one:
            return stored
        # Programs differ in whether one more is the next number or wraps around to zero.
        if (stored == (1 << self.bits) - 1).any():
            raise ExportError(
                f"{name}: a zero point is beyond {self.bits} bits, which programs read in "
                "different ways; convert the weights to checkpoint_format gptq_v2"
            )
        return stored + np.uint8(1)


def _part(name: str, part: str) -> str:
    return name.removesuffix("weight") + part
