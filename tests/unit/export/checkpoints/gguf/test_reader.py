from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.checkpoints.base import Encoding
from export.checkpoints.dequantize import dequantize
from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.checkpoints.gguf.reader import read_gguf
from export.errors import ExportError
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.mutations import edits, opens_or_refuses
from tests.unit.export.checkpoints.writers import (
    GGML_BF16,
    GGML_F16,
    GGML_Q4_0,
    GGML_Q8_0,
    MetadataInput,
    StoredTensor,
    f32,
    gguf_bytes,
    metadata_value,
    string,
    write,
)

HEADER = b"GGUF" + struct.pack("<I", 3)
TINY = tiny_llama.content()


def use(path: Path) -> None:
    checkpoint = GgufCheckpoint(path)
    checkpoint.tokenizer()
    for name in checkpoint.names():
        dequantize(checkpoint.tensor(name))


def tensor_info(
    name: str = "t", dims: tuple[int, ...] = (32,), kind: int = 0, at: int = 0
) -> bytes:
    shape = struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
    return string(name) + shape + struct.pack("<IQ", kind, at)


def with_infos(*infos: bytes, data: bytes = bytes(256)) -> bytes:
    head = HEADER + struct.pack("<QQ", len(infos), 0) + b"".join(infos)
    return head + b"\0" * (-len(head) % 32) + data


def with_pair(content: bytes, num_pairs: int = 1) -> bytes:
    return HEADER + struct.pack("<QQ", 0, num_pairs) + content + bytes(64)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [32, 64])
def test_tensors_are_mapped_as_they_are_stored(
    tmp_path: Path, version: int, alignment: int
) -> None:
    matrix = np.arange(6, dtype="<f4").reshape(2, 3)
    tensors = {
        "matrix": f32(matrix),
        "half": StoredTensor(GGML_F16, (2,), np.array([0.5, -2], "<f2").tobytes()),
        "brain": StoredTensor(GGML_BF16, (1,), b"\x80\x3f"),
        "blocks": StoredTensor(GGML_Q4_0, (2, 64), bytes(range(72))),
        "bytes": StoredTensor(GGML_Q8_0, (1, 2, 32), bytes(range(68))),
    }
    content = gguf_bytes(
        {"general.alignment": alignment}, tensors, version=version, alignment=alignment
    )
    gguf = read_gguf(write(tmp_path / "m.gguf", content))
    np.testing.assert_array_equal(gguf.tensor("matrix").data, matrix)
    assert gguf.tensor("half").data.tolist() == [0.5, -2]
    assert gguf.tensor("brain").data.tolist() == [0x3F80]
    blocks = gguf.tensor("blocks")
    assert (blocks.encoding, blocks.shape, blocks.data.shape) == (
        Encoding.Q4_0,
        (2, 64),
        (2, 2, 18),
    )
    assert blocks.data.ravel().tolist() == list(range(72))
    assert gguf.tensor("bytes").data.shape == (2, 1, 34)


def test_metadata_of_every_type_is_read(tmp_path: Path) -> None:
    pairs = [
        ("u8", 0, struct.pack("<B", 200), 200),
        ("i8", 1, struct.pack("<b", -3), -3),
        ("u16", 2, struct.pack("<H", 60000), 60000),
        ("i16", 3, struct.pack("<h", -3), -3),
        ("i32", 5, struct.pack("<i", -3), -3),
        ("u64", 10, struct.pack("<Q", 2**63), 2**63),
        ("i64", 11, struct.pack("<q", -(2**62)), -(2**62)),
        ("f64", 12, struct.pack("<d", 0.1), 0.1),
    ]
    body = b"".join(string(key) + struct.pack("<I", kind) + raw for key, kind, raw, _ in pairs)
    path = write(tmp_path / "m.gguf", with_pair(body, len(pairs)))
    metadata = read_gguf(path).metadata
    for key, _, _, expected in pairs:
        assert metadata.number(key) == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"GGML" + TINY[4:], "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<I", 1) + TINY[8:], "its version is 1; supported are 2 and 3"),
        (b"GGUF" + struct.pack("<I", 4) + TINY[8:], "its version is 4"),
        (b"GGUF" + struct.pack(">I", 3) + TINY[8:], "it is big-endian"),
        (HEADER + struct.pack("<QQ", 2**63, 0), "tensors are declared, more than the file"),
        (HEADER + struct.pack("<QQ", 0, 2**40) + bytes(99), "metadata entries are declared"),
        (with_pair(struct.pack("<Q", 2**62)), "a string of .* bytes reaches beyond the end"),
        (with_pair(struct.pack("<Q", 1) + b"\xff" + bytes(9)), "not valid UTF-8"),
        (with_pair(string("k") + struct.pack("<I", 13)), "13 is not a known type"),
        (with_pair(string("k") + struct.pack("<IIQ", 9, 8, 2**60)), "strings are declared"),
        (with_pair(string("k") + struct.pack("<IIQ", 9, 12, 2**60)), "numbers are declared"),
        (with_pair(string("k") + struct.pack("<IIQ", 9, 9, 1)), "list of lists"),
        (with_pair(string("k") + struct.pack("<IIQQ", 9, 8, 1, 2**62)), "beyond the end"),
        (with_pair(string("k") + struct.pack("<IIQQB", 9, 8, 1, 1, 255)), "not valid UTF-8"),
        (with_pair((string("k") + metadata_value(1)) * 2, 2), "'k' is there twice"),
        (with_pair(string("k" * 70000) + metadata_value(1)), "70000 characters is too long"),
        (with_infos(tensor_info(dims=())), "has 0 dimensions"),
        (with_infos(tensor_info(dims=(1,) * 5)), "has 5 dimensions"),
        (with_infos(string("t") + struct.pack("<I", 2**32 - 1)), "dimensions"),
        (with_infos(tensor_info(dims=(32, 0))), "is empty"),
        (with_infos(tensor_info(dims=(2**63, 2**63))), "ends beyond the end"),
        (with_infos(tensor_info(dims=(65,))), "ends beyond the end"),
        (with_infos(tensor_info(at=2**64 - 32)), "ends beyond the end"),
        (with_infos(tensor_info(at=4)), "is not aligned"),
        (with_infos(tensor_info(dims=(33,), kind=8)), "rows of 33, not a multiple of 32"),
        (with_infos(tensor_info(dims=(96,), kind=12)), "rows of 96, not a multiple of 256"),
        (with_infos(tensor_info(dims=(512,), kind=14)), "ends beyond the end"),
        (with_infos(tensor_info(), tensor_info(at=128)), "'t' is there twice"),
        (with_infos(tensor_info(), tensor_info("u", at=96)), "'u' lies over another"),
        (tiny_llama.content({"general.alignment": 24}), "is not a power of two"),
        (tiny_llama.content({"general.alignment": 0}), "is not a power of two"),
        (tiny_llama.content({"general.alignment": "x"}), "is not one whole number"),
        (tiny_llama.content({"general.alignment": 2**31}), "ends beyond the end"),
    ],
)
def test_a_damaged_file_is_refused_with_its_reason(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = write(tmp_path / "m.gguf", content)
    tracemalloc.start()
    try:
        with pytest.raises(ExportError, match=problem) as caught:
            read_gguf(path)
        # Nothing that the file declares may decide how much is allocated.
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), [(16, "IQ2_XXS"), (28, "F64"), (99, "unknown type 99")])
def test_an_unsupported_tensor_type_is_named(tmp_path: Path, kind: int, name: str) -> None:
    path = write(tmp_path / "m.gguf", with_infos(tensor_info("blk.0.ffn_up.weight", kind=kind)))
    message = rf"'blk\.0\.ffn_up\.weight' is stored as .*{name}.*F32, F16, BF16, Q4_0, .*Q6_K"
    with pytest.raises(ExportError, match=message):
        read_gguf(path)


def test_every_cut_is_refused(tmp_path: Path) -> None:
    metadata: dict[str, MetadataInput] = {
        "k": "text",
        "n": 5,
        "list": ["a", "bc"],
        "numbers": np.arange(3, dtype="<i4"),
    }
    blocks = StoredTensor(GGML_Q4_0, (1, 32), bytes(18))
    content = gguf_bytes(metadata, {"a": f32(np.ones((2, 2))), "b": blocks})
    assert opens_or_refuses(tmp_path / "m.gguf", content, read_gguf)
    for end in range(len(content)):
        assert not opens_or_refuses(tmp_path / "m.gguf", content[:end], read_gguf)


def test_cuts_of_a_whole_model_are_refused(tmp_path: Path) -> None:
    assert opens_or_refuses(tmp_path / "m.gguf", TINY, use)
    for end in range(0, len(TINY), 53):
        assert not opens_or_refuses(tmp_path / "m.gguf", TINY[:end], use)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    end_of_header = TINY.index(b"blk.0.ffn_down.weight") + 60
    content = data.draw(edits(TINY[:end_of_header])) + TINY[end_of_header:]
    opens_or_refuses(tmp_path / "m.gguf", content, use)
