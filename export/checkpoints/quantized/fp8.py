"""Weights of 8-bit floats (Micikevicius et al., 2022) with scales, as plain float32.

The scales lie in `weight_scale`, or in `weight_scale_inv`, which despite its name multiplies as
well: one for all, one per output `[N, 1]`, or one per block `[N / a, K / b]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize
from export.checkpoints.quantized.raw import RawTensors
from export.errors import ExportError

Floats = NDArray[np.float32]

_CODES = np.arange(256, dtype=np.uint8)
_VALUES: Mapping[str, Floats] = {
    "F8_E4M3": _CODES.view(ml_dtypes.float8_e4m3fn).astype(np.float32),
    "F8_E5M2": _CODES.view(ml_dtypes.float8_e5m2).astype(np.float32),
    "F8_E8M0": _CODES.view(ml_dtypes.float8_e8m0fnu).astype(np.float32),
}
"""What each byte stands for."""


@dataclass(frozen=True, slots=True)
class Fp8Layout:
    """`block` is how many outputs and inputs share a scale where there is a table of them."""

    block: tuple[int, int] | None = None

    def is_stored(self, raw: RawTensors, name: str) -> bool:
        return raw.dtype(name) in ("F8_E4M3", "F8_E5M2")

    def read(self, raw: RawTensors, name: str) -> Tensor:
        codes = raw.raw(name)
        values = _VALUES[raw.dtype(name)][codes]
        for suffix in ("_scale_inv", "_scale"):
            if raw.has(name + suffix):
                self._multiply(name, values, _numbers(raw, name + suffix))
                break
        return Tensor(name, Encoding.F32, values.shape, values)

    def _multiply(self, name: str, values: Floats, scales: Floats) -> None:
        """In place and by rows, so that no second table of the weight's size is made."""
        rows, columns = values.shape
        if scales.size == 1:
            values *= scales.reshape(())
        elif scales.shape in ((rows,), (rows, 1)):
            values *= scales.reshape(rows, 1)
        elif self._is_table_of(scales, rows, columns):
            assert self.block is not None
            height, width = self.block
            for i, row in enumerate(scales):
                values[i * height : (i + 1) * height] *= np.repeat(row, width)[:columns]
        else:
            raise ExportError(
                f"{name}: scales {list(scales.shape)} do not fit a weight of {list(values.shape)}"
                f"{f' in blocks of {list(self.block)}' if self.block else ''}"
            )

    def _is_table_of(self, scales: Floats, rows: int, columns: int) -> bool:
        if self.block is None:
            return False
        height, width = self.block
        return scales.shape == (-(-rows // height), -(-columns // width))


def _numbers(raw: RawTensors, name: str) -> Floats:
    """Scales, which may be 8-bit floats themselves."""
    values = _VALUES.get(raw.dtype(name))
    return dequantize(raw.plain(name)) if values is None else values[raw.raw(name)]
