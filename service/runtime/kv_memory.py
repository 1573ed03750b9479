"""The memory of a model's keys and values: one buffer, rows addressed one by one."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.runtime.device_kv import DeviceKv, WholeKv
from service.runtime.kv_places import KvShape, Places
from service.runtime.ort import ort
from service.runtime.providers import Provider


class KvMemory(Protocol):
    """Keys and values of all layers and slots on one device."""

    shape: KvShape

    def bind(self, io: ort.IOBinding, first_slot: int, num_rows: int) -> None:
        """Makes the slots from `first_slot` on a graph's past and its present, in one place."""
        ...

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        """Copies the first `num_tokens` of a slot to another, in all arrays."""
        ...

    def swap(self, first: int, second: int, num_tokens: int) -> None:
        """Lets the first `num_tokens` of two slots change places, in all arrays."""
        ...

    def close(self) -> None:
        """Frees it. No address of it may be used any more."""
        ...


def allocate_kv(provider: Provider, shape: KvShape, dtype: str) -> KvMemory:
    """Zeroed memory for `shape` of `dtype` on the device of `provider`."""
    if provider.host_memory:
        return HostKv(shape, np.dtype(dtype))
    if not provider.slot_views:
        return WholeKv(shape, np.dtype(dtype), provider)
    return DeviceKv(shape, np.dtype(dtype), provider)


class HostKv:
    """In main memory. The pages of tokens never written are never touched, so they cost nothing.

    Mapped by ourselves for that: numpy asks for huge pages, and of those a single token of each
    layer and head fills as much memory as the whole slot.
    """

    def __init__(self, shape: KvShape, dtype: np.dtype[np.generic]) -> None:
        self.shape = shape
        self._memory = _map(math.prod(shape) * dtype.itemsize)
        self._values: NDArray[np.generic] = np.frombuffer(self._memory, dtype).reshape(shape)
        self._base = self._values.ctypes.data
        self._places = Places("cpu", shape, dtype)

    def address(self, array: int, slot: int) -> int:
        strides = self._values.strides
        return self._base + array * strides[0] + slot * strides[1]

    def bind(self, io: ort.IOBinding, first_slot: int, num_rows: int) -> None:
        self._places.bind(io, num_rows, lambda array: self.address(array, first_slot))

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        self._values[:, target, :, :num_tokens] = self._values[:, source, :, :num_tokens]

    def swap(self, first: int, second: int, num_tokens: int) -> None:
        one = self._values[:, first, :, :num_tokens]
        other = self._values[:, second, :, :num_tokens]
        kept = one.copy()
        one[...] = other
        other[...] = kept

    def close(self) -> None:
        # What is mapped cannot be freed while an array lies on it.
        self._values = np.empty(0, self._values.dtype)
        self._memory.close()


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
