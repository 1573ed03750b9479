"""Small GGUF and safetensors files, written independently of the readers under test."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MetadataInput = bool | int | float | str | Sequence[str] | NDArray[np.generic]

GGML_F32, GGML_F16, GGML_Q4_0, GGML_Q4_1, GGML_Q8_0, GGML_BF16 = 0, 1, 2, 3, 8, 30
_ARRAY_KINDS = {"uint8": 0, "int8": 1, "uint32": 4, "int32": 5, "float32": 6, "bool": 7}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as GGUF stores it; `shape` is rows first, as in PyTorch."""

    kind: int
    shape: tuple[int, ...]
    content: bytes


def f32(values: NDArray[np.generic]) -> StoredTensor:
    return StoredTensor(GGML_F32, values.shape, values.astype("<f4").tobytes())


def string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def metadata_value(value: MetadataInput) -> bytes:
    """Type and value of one metadata entry."""
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + string(value)
    if isinstance(value, np.ndarray):
        header = struct.pack("<IIQ", 9, _ARRAY_KINDS[value.dtype.name], len(value))
        return header + value.tobytes()
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(string, value))


def gguf_bytes(
    metadata: Mapping[str, MetadataInput],
    tensors: Mapping[str, StoredTensor],
    *,
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += string(key) + metadata_value(value)
    data = b""
    for name, tensor in tensors.items():
        data += b"\0" * (-len(data) % alignment)
        head += string(name) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape))
        head += struct.pack("<IQ", tensor.kind, len(data))
        data += tensor.content
    return head + b"\0" * (-len(head) % alignment) + data


def safetensors_bytes(tensors: Mapping[str, tuple[str, Sequence[int], bytes]]) -> bytes:
    """A safetensors file of dtype, shape and content by name."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        data += content
    return safetensors_with_header(json.dumps(header).encode(), data)


def safetensors_with_header(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
