"""The external data of an ONNX model, written one tensor at a time."""

from __future__ import annotations

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
        proto = onnx.TensorProto(
            name=name,
            data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
        )
        if array.nbytes < _INLINE_BYTES:
            proto.raw_data = array.tobytes()
            return proto
        alignment = _LARGE_ALIGNMENT if array.nbytes >= _LARGE_BYTES else _SMALL_ALIGNMENT
        self._write(bytes(-self._file.tell() % alignment))
        offset = self._file.tell()
        # As bytes, since Python's buffers do not know the type of a bfloat16.
        self._write(array.reshape(-1).view(np.uint8).data)
        _refer(proto, self._path.name, offset, array.nbytes)
        return proto

    def _write(self, content: bytes | memoryview) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            # Python does not say which file it could not write to.
            raise OSError(error.errno, error.strerror, str(self._path)) from error


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


def _refer(proto: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    proto.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        proto.external_data.add(key=key, value=value)
