"""The external data of an ONNX model, written one tensor at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import onnx
from ml_dtypes import bfloat16
from numpy.typing import NDArray

_SMALL_ALIGNMENT = 4096
_LARGE_ALIGNMENT = 65536
"""ONNX Runtime maps external data only from offsets that the operating system can map: whole
pages, and on Windows multiples of its allocation granularity. Small tensors are not worth that."""

_LARGE_BYTES = 1 << 20

_INLINE_BYTES = 1024
"""Smaller tensors stay in the graph: shape inference needs to see the shapes among them."""


class TensorFile:
    """Appends tensors to `path` and refers to them from the graph, so that none is kept.

    Raises OSError when the disk is full; the caller removes the unfinished file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, name: str, array: NDArray[np.generic]) -> onnx.TensorProto:
        """A reference called `name` to `array`, which is written unless it is small."""
        array = np.asarray(array, order="C")
        proto = _proto(name, array.dtype, array.shape)
        if array.nbytes < _INLINE_BYTES:
            proto.raw_data = array.tobytes()
            return proto
        offset = self._align(array.nbytes)
        self._write(_bytes_of(array))
        _refer(proto, self._path.name, offset, array.nbytes)
        return proto

    def stack(
        self, name: str, count: int, dtype: np.dtype[np.generic], shape: tuple[int, ...]
    ) -> Stack:
        """Room for `count` arrays of `shape`, one tensor, which are written one by one."""
        proto = _proto(name, dtype, (count, *shape))
        num_bytes = math.prod(shape) * dtype.itemsize
        if count * num_bytes < _INLINE_BYTES:
            proto.raw_data = bytes(count * num_bytes)
            return Stack(proto, num_bytes)
        offset = self._align(count * num_bytes)
        self._file.truncate(offset + count * num_bytes)
        self._file.seek(0, os.SEEK_END)
        _refer(proto, self._path.name, offset, count * num_bytes)
        return Stack(proto, num_bytes, lambda start, part: self._write_at(offset + start, part))

    def _align(self, num_bytes: int) -> int:
        """Where a tensor of so many bytes may begin, all before it being filled."""
        alignment = _LARGE_ALIGNMENT if num_bytes >= _LARGE_BYTES else _SMALL_ALIGNMENT
        self._write(bytes(-self._file.tell() % alignment))
        return self._file.tell()

    def _write_at(self, offset: int, content: memoryview) -> None:
        self._file.seek(offset)
        self._write(content)
        self._file.seek(0, os.SEEK_END)

    def _write(self, content: bytes | memoryview) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            # Python does not say which file it could not write to.
            raise OSError(error.errno, error.strerror, str(self._path)) from error


@dataclass(frozen=True, slots=True)
class Stack:
    """A tensor that is put together along its first axis, from parts of `num_bytes` each; it is
    kept in the graph if there is no `write_at`."""

    proto: onnx.TensorProto
    num_bytes: int
    write_at: Callable[[int, memoryview], None] | None = None

    def write(self, index: int, part: NDArray[np.generic]) -> None:
        """Writes one of the parts, in any order. Raises OSError when the disk is full."""
        assert part.nbytes == self.num_bytes
        start, content = index * self.num_bytes, _bytes_of(np.asarray(part, order="C"))
        if self.write_at is not None:
            self.write_at(start, content)
            return
        whole = bytearray(self.proto.raw_data)
        whole[start : start + self.num_bytes] = content
        self.proto.raw_data = bytes(whole)


def view_of(proto: onnx.TensorProto, name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    """The bytes of `proto` once more, under another name and shape."""
    other = onnx.TensorProto()
    other.CopyFrom(proto)
    other.name = name
    other.dims[:] = shape
    return other


def as_bfloat16(bits: NDArray[np.generic]) -> NDArray[np.generic]:
    """The uint16 `bits` of bfloat16 numbers, typed so that they are written as such."""
    return bits.view(np.uint16).view(bfloat16)


def _proto(name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> onnx.TensorProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    return onnx.TensorProto(name=name, data_type=kind, dims=shape)


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    """As bytes, since Python's buffers do not know the type of a bfloat16."""
    return array.reshape(-1).view(np.uint8).data


def _refer(proto: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    proto.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        proto.external_data.add(key=key, value=value)
