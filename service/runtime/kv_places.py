"""How the memory of keys and values is bound to a graph by addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.runtime.ort import ort

KvShape = tuple[int, int, int, int, int]
"""(arrays, slots, kv_heads, slot_length, head_dim); a layer has two arrays, keys and values."""


@dataclass(frozen=True, slots=True)
class Places:
    """Binds memory by its address; rows that follow each other are one place."""

    memory: str
    shape: KvShape
    dtype: np.dtype[np.generic]

    def bind(self, io: ort.IOBinding, num_rows: int, address: Callable[[int], int]) -> None:
        """`address` tells where the first row of each array is."""
        arrays, _, *slot_shape = self.shape
        for array in range(arrays):
            shape = [num_rows, *slot_shape]
            place = (self.memory, 0, self.dtype.type, shape, address(array))
            io.bind_input(f"past_key_values.{kv_name(array)}", *place)
            io.bind_output(f"present.{kv_name(array)}", *place)


def kv_name(array: int) -> str:
    """Keys and values by turns, as graphs call them."""
    return f"{array // 2}.{('key', 'value')[array % 2]}"
