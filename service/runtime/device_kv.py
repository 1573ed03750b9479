"""Keys and values in the memory of a device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.runtime.kv_places import KvShape, Places, kv_name
from service.runtime.ort import ort
from service.runtime.providers import IDENTITY, Provider
from service.runtime.sessions import open_session


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
        self._places = Places(provider.memory, shape, dtype)
        self._spare = _on_device(zeros[0], provider)
        self._copier = _Copier(provider, self._slot_bytes)

    def address(self, array: int, slot: int) -> int:
        """Where `slot` of `array` begins, as IO bindings take it."""
        return int(self._arrays[array].data_ptr()) + slot * self._slot_bytes

    def bind(self, io: ort.IOBinding, first_slot: int, num_rows: int) -> None:
        self._places.bind(io, num_rows, lambda array: self.address(array, first_slot))

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

    def close(self) -> None:
        self._arrays.clear()
        del self._spare, self._copier


class WholeKv:
    """The one slot of a device whose memory has no addresses to reckon with: bound as it is."""

    def __init__(self, shape: KvShape, dtype: np.dtype[np.generic], provider: Provider) -> None:
        arrays, slots, *slot_shape = shape
        assert slots == 1
        self.shape = shape
        zeros = np.zeros((1, *slot_shape), dtype)
        self._arrays = [_on_device(zeros, provider) for _ in range(arrays)]

    def bind(self, io: ort.IOBinding, first_slot: int, num_rows: int) -> None:
        assert (first_slot, num_rows) == (0, 1)
        for array, value in enumerate(self._arrays):
            io.bind_ortvalue_input(f"past_key_values.{kv_name(array)}", value)
            io.bind_ortvalue_output(f"present.{kv_name(array)}", value)

    def copy(self, source: int, target: int, num_tokens: int) -> None:  # noqa: ARG002
        raise AssertionError("there is one slot")

    def swap(self, first: int, second: int, num_tokens: int) -> None:  # noqa: ARG002
        raise AssertionError("there is one slot")

    def close(self) -> None:
        self._arrays.clear()


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
