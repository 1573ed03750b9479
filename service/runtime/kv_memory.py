"""The memory of a model's keys and values: one buffer, rows addressed one by one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.runtime.ort import ort
from service.runtime.providers import CPU, Provider

KvShape = tuple[int, int, int, int, int]
"""(arrays, slots, kv_heads, slot_length, head_dim); a layer has two arrays, keys and values."""


class KvMemory(Protocol):
    """Keys and values of all layers and slots on one device."""

    shape: KvShape

    def address(self, array: int, slot: int) -> int:
        """Where `slot` of `array` begins, as IO bindings take it."""
        ...

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        """Copies the first `num_tokens` of a slot to another, in all arrays."""
        ...

    def swap(self, first: int, second: int, num_tokens: int) -> None:
        """Lets the first `num_tokens` of two slots change places, in all arrays."""
        ...


def allocate_kv(provider: Provider, shape: KvShape, dtype: str) -> KvMemory:
    """Zeroed memory for `shape` of `dtype` on the device of `provider`."""
    if provider is CPU:
        return HostKv(shape, np.dtype(dtype))
    return DeviceKv(shape, np.dtype(dtype), provider)


class HostKv:
    """In main memory. The pages of tokens never written are never touched, so they cost nothing."""

    def __init__(self, shape: KvShape, dtype: np.dtype[np.generic]) -> None:
        self.shape = shape
        self._values: NDArray[np.generic] = np.zeros(shape, dtype)
        self._base = self._values.ctypes.data

    def address(self, array: int, slot: int) -> int:
        strides = self._values.strides
        return self._base + array * strides[0] + slot * strides[1]

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        self._values[:, target, :, :num_tokens] = self._values[:, source, :, :num_tokens]

    def swap(self, first: int, second: int, num_tokens: int) -> None:
        one = self._values[:, first, :, :num_tokens]
        other = self._values[:, second, :, :num_tokens]
        kept = one.copy()
        one[...] = other
        other[...] = kept


class DeviceKv:
    """In a device's memory, moved there by ONNX Runtime's own device-to-device copies.

    One tensor per array and slot would not be contiguous over slots, so an array is one tensor and
    a slot of it a view made through DLPack. Whole slots are moved, whatever `num_tokens` is.
    """

    def __init__(self, shape: KvShape, dtype: np.dtype[np.generic], provider: Provider) -> None:
        self.shape = shape
        arrays, slots, kv_heads, slot_length, head_dim = shape
        self._slot_bytes = kv_heads * slot_length * head_dim * dtype.itemsize
        self._arrays = [
            ort.OrtValue.ortvalue_from_shape_and_type(
                [slots, kv_heads, slot_length, head_dim], dtype.type, provider.memory, 0
            )
            for _ in range(arrays)
        ]

    def address(self, array: int, slot: int) -> int:
        return int(self._arrays[array].data_ptr()) + slot * self._slot_bytes

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        raise NotImplementedError

    def swap(self, first: int, second: int, num_tokens: int) -> None:
        raise NotImplementedError
