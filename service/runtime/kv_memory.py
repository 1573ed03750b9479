"""The memory of a model's keys and values: one buffer, rows addressed one by one."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.runtime.ort import ort
from service.runtime.providers import IDENTITY, Provider
from service.runtime.sessions import open_session

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
    if provider.host_memory:
        return HostKv(shape, np.dtype(dtype))
    return DeviceKv(shape, np.dtype(dtype), provider)


class HostKv:
    """In main memory. The pages of tokens never written are never touched, so they cost nothing.

    Mapped by ourselves for that: numpy asks for huge pages, and of those a single token of each
    layer and head fills as much memory as the whole slot.
    """

    def __init__(self, shape: KvShape, dtype: np.dtype[np.generic]) -> None:
        self.shape = shape
        memory = _map(math.prod(shape) * dtype.itemsize)
        self._values: NDArray[np.generic] = np.frombuffer(memory, dtype).reshape(shape)
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


def _map(num_bytes: int) -> mmap.mmap:
    """Zeroed memory in small pages. Raises MemoryError."""
    try:
        memory = mmap.mmap(-1, num_bytes)
    except OSError as error:
        raise MemoryError from error
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        # A kernel built without huge pages refuses the advice and needs none.
        with suppress(OSError):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory


class DeviceKv:
    """In a device's memory, moved by ONNX Runtime's own copies from one address to another.

    Whole slots are moved, whatever `num_tokens` is: a slot is one stretch of memory, its first
    tokens are one stretch per head.
    """

    def __init__(self, shape: KvShape, dtype: np.dtype[np.generic], provider: Provider) -> None:
        self.shape = shape
        arrays, slots, *slot_shape = shape
        self._slot_bytes = int(np.prod(slot_shape)) * dtype.itemsize
        zeros = np.zeros((slots, *slot_shape), dtype)
        self._arrays = [_on_device(zeros, provider) for _ in range(arrays)]
        self._spare = _on_device(zeros[0], provider)
        self._copier = _Copier(provider, self._slot_bytes)

    def address(self, array: int, slot: int) -> int:
        return int(self._arrays[array].data_ptr()) + slot * self._slot_bytes

    def copy(self, source: int, target: int, num_tokens: int) -> None:  # noqa: ARG002
        for array in range(len(self._arrays)):
            self._copier.copy(self.address(array, source), self.address(array, target))

    def swap(self, first: int, second: int, num_tokens: int) -> None:  # noqa: ARG002
        spare = int(self._spare.data_ptr())
        for array in range(len(self._arrays)):
            one, other = self.address(array, first), self.address(array, second)
            self._copier.copy(one, spare)
            self._copier.copy(other, one)
            self._copier.copy(spare, other)


class _Copier:
    """Copies a fixed number of bytes within a device: a graph of one Identity node."""

    def __init__(self, provider: Provider, num_bytes: int) -> None:
        self._session = open_session(IDENTITY, provider)
        self._binding = self._session.io_binding()
        self._place = (provider.memory, 0, np.float32, [num_bytes // 4])

    def copy(self, source: int, target: int) -> None:
        self._binding.bind_input("source", *self._place, source)
        self._binding.bind_output("target", *self._place, target)
        self._session.run_with_iobinding(self._binding)


def _on_device(values: NDArray[np.generic], provider: Provider) -> ort.OrtValue:
    value = ort.OrtValue.ortvalue_from_shape_and_type(
        values.shape, values.dtype.type, provider.memory, 0
    )
    value.update_inplace(values)
    return value
