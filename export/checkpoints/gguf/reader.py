"""The GGUF container: header, metadata and where each tensor lies.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.ggml.table import BLOCK_ENCODINGS
from export.checkpoints.gguf.cursor import Cursor
from export.checkpoints.gguf.encodings import ENCODINGS, PLAIN_DTYPES, describe_type
from export.checkpoints.gguf.metadata import Metadata, read_metadata, read_pair_count
from export.checkpoints.json_file import one_line
from export.checkpoints.mapped_file import MappedFile
from export.errors import ExportError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_DIMS = 4
_MIN_TENSOR_INFO_BYTES = 8 + 4 + 8 + 4 + 8
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies: `offset` and `num_bytes` in the file, `shape` rows first."""

    name: str
    encoding: Encoding
    shape: tuple[int, ...]
    offset: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """An opened GGUF file whose every tensor is known to lie inside it."""

    file: MappedFile
    metadata: Metadata
    tensors: Mapping[str, TensorInfo]

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name, mapped. Raises ExportError if there is none."""
        info = self.tensors.get(name)
        if info is None:
            raise ExportError(f"{self.file.path}: there is no tensor {one_line(name)!r}")
        dtype, shape = PLAIN_DTYPES.get(info.encoding), info.shape
        if dtype is None:
            dtype, row = "u1", BLOCK_ENCODINGS[info.encoding]
            num_blocks = shape[-1] // row.weights_per_block
            shape = (math.prod(shape[:-1]), num_blocks, row.bytes_per_block)
        data = self.file.array(info.offset, dtype, shape)
        return Tensor(name, info.encoding, info.shape, data)


def read_gguf(path: Path) -> GgufFile:
    """Opens a GGUF file and checks all it declares against its real size.

    Raises ExportError for a file that is not GGUF, is damaged, or has a tensor of a type that
    is not supported.
    """
    file = MappedFile(path)
    cursor = Cursor(file, 0)
    _check_header(file, cursor)
    num_tensors = cursor.count("tensors", _MIN_TENSOR_INFO_BYTES)
    metadata = read_metadata(cursor, path, read_pair_count(cursor))
    infos = [_read_tensor_info(cursor) for _ in range(num_tensors)]
    alignment = metadata.integer("general.alignment", _DEFAULT_ALIGNMENT)
    if alignment == 0 or alignment & (alignment - 1):
        raise metadata.error("general.alignment", "is not a power of two")
    data_start = -(-cursor.position // alignment) * alignment
    tensors = _place(cursor, infos, data_start, file.size, alignment)
    return GgufFile(file, metadata, tensors)


def _check_header(file: MappedFile, cursor: Cursor) -> None:
    if bytes(file.view[:4]) != MAGIC:
        raise cursor.error("it does not begin with GGUF")
    cursor.position = 4
    version = cursor.u32()
    if version & 0xFFFF == 0:
        raise cursor.error("it is big-endian; only little-endian files are supported")
    if version not in _VERSIONS:
        raise cursor.error(f"its version is {version}; supported are 2 and 3")


def _read_tensor_info(cursor: Cursor) -> TensorInfo:
    """One entry of the tensor list; its `offset` still counts from the data section."""
    name = cursor.string()
    num_dims = cursor.u32()
    if not 1 <= num_dims <= _MAX_DIMS:
        raise cursor.error(f"tensor {one_line(name)!r} has {num_dims} dimensions")
    # ggml counts dimensions from the fastest-varying one; shapes here are rows first.
    shape = tuple(reversed([cursor.u64() for _ in range(num_dims)]))
    kind = cursor.u32()
    offset = cursor.u64()
    encoding = ENCODINGS.get(kind)
    if encoding is None:
        supported = ", ".join(e.name for e in ENCODINGS.values())
        raise ExportError(
            f"{cursor.path}: tensor {one_line(name)!r} is stored as {describe_type(kind)}, "
            f"which is not supported; supported: {supported}"
        )
    return TensorInfo(name, encoding, shape, offset, _num_bytes(cursor, name, encoding, shape))


def _num_bytes(cursor: Cursor, name: str, encoding: Encoding, shape: tuple[int, ...]) -> int:
    if 0 in shape:
        raise cursor.error(f"tensor {one_line(name)!r} is empty")
    if not encoding.is_block:
        return math.prod(shape) * (4 if encoding is Encoding.F32 else 2)
    row = BLOCK_ENCODINGS[encoding]
    if shape[-1] % row.weights_per_block:
        raise cursor.error(
            f"tensor {one_line(name)!r} has rows of {shape[-1]}, not a multiple of "
            f"{row.weights_per_block}"
        )
    return math.prod(shape) // row.weights_per_block * row.bytes_per_block


def _place(
    cursor: Cursor, infos: list[TensorInfo], data_start: int, file_size: int, alignment: int
) -> dict[str, TensorInfo]:
    """The tensors by name with offsets into the file, each inside it and none over another."""
    tensors: dict[str, TensorInfo] = {}
    end = data_start
    for info in sorted(infos, key=lambda info: info.offset):
        start = data_start + info.offset
        if info.name in tensors:
            raise cursor.error(f"tensor {one_line(info.name)!r} is there twice")
        if info.offset % alignment:
            raise cursor.error(f"tensor {one_line(info.name)!r} is not aligned")
        if start < end:
            raise cursor.error(f"tensor {one_line(info.name)!r} lies over another")
        end = start + info.num_bytes
        if end > file_size:
            raise cursor.error(f"tensor {one_line(info.name)!r} ends beyond the end of the file")
        tensors[info.name] = TensorInfo(info.name, info.encoding, info.shape, start, info.num_bytes)
    return tensors
